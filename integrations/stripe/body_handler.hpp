// BodyHandler makes events of one body and tracks them, or lets the body wait on disk for what it
// lacks.
//
// Place:     inside the integration: between Reception, which has checked the signature, and
//            to_events(), the FactStore and the tracker. DeferredBodies calls it for a body that
//            has waited.
// Threads:   every member may be called from several threads at once. 🔒
// Lifetime:  a member of Reception.
// Failure:   Handled has the status: 400 when no event can be made of the body, 503 when it can be
//            tried again. std::bad_alloc leaves the body with Stripe or in the store.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <postbox/clock.hpp>
#include <string>
#include <string_view>
#include <stripe/answer.hpp>
#include <stripe/events.hpp>
#include <stripe/webhook_parts.hpp>
#include <vector>

namespace stripe {

// The result of handling a body; Counts has a count for each.
enum class Fate : std::uint8_t {
  kRefused,   // not Stripe's
  kUnusable,  // no event can be made of it
  kIgnored,
  kTracked,
  kDisabled,
  kWaiting,
  kFailed,  // to be tried again
};

struct Handled {
  Fate fate;
  Answer answer;
  std::vector<Fact> facts{};  // that the body has told; other bodies may wait for them

  // The fact that it waits for, when that came in the moment in which it began to.
  std::vector<Fact> met{};
};

// The keys that bodies wait for: a customer's address, which a resolver can tell, and a whole event
// in place of a thin one, with the event's id. Every other key is a fact's.
inline constexpr std::string_view kCustomerKey = "customer:";
inline constexpr std::string_view kThinKey = "thin:";

class BodyHandler {
 public:
  explicit BodyHandler(const WebhookParts& parts) : parts_(parts) {}

  // `until` is the time at which a body that has waited goes without the fact that it waits for;
  // nothing for a body that has just been delivered.
  [[nodiscard]] Handled handle(std::string_view body, postbox::WallTime now,
                               std::optional<postbox::WallTime> until);

  // False when they are to be told again: the store of all servers is away. Without a file of its
  // own a webhook goes on: events then carry Stripe's ids.
  [[nodiscard]] bool store_facts(const std::vector<Fact>& facts, postbox::WallTime now);

  // As Webhook::unhandled().
  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() const;

 private:
  [[nodiscard]] MappingOptions mapping_options(postbox::WallTime now);
  [[nodiscard]] Handled refuse_unmapped(const postbox::Error& error);
  [[nodiscard]] Handled handle_thin(const Mapping& mapping, std::string_view body,
                                    postbox::WallTime now, std::optional<postbox::WallTime> until);
  void count_unhandled(const std::string& type);
  [[nodiscard]] std::optional<Handled> wait_for_more(const Mapping& mapping, std::string_view body,
                                                     postbox::WallTime now,
                                                     std::optional<postbox::WallTime> until);
  [[nodiscard]] const std::string& awaited_key(const Mapping& mapping) const;
  [[nodiscard]] bool has_come(const std::string& key, std::string_view body, postbox::WallTime now);
  [[nodiscard]] Handled handle_now(std::string_view body, postbox::WallTime now,
                                   std::optional<postbox::WallTime> until);
  [[nodiscard]] bool defer_body(const WaitingBody& body);
  [[nodiscard]] bool end_carts(const std::vector<klaviyo::CartCompletion>& completions);
  [[nodiscard]] bool store_decisions(const std::vector<Decision>& decisions, postbox::WallTime now);
  void put_all_facts(const std::vector<Fact>& facts, postbox::WallTime now);
  void put_facts(const std::vector<Fact>& facts, postbox::WallTime now, postbox::WallTime expires);
  [[nodiscard]] Handled track(const Mapping& mapping);
  [[nodiscard]] Handled reject(const Mapping& mapping, const postbox::TrackResult& result);
  void report_store(const postbox::Error& error);
  [[nodiscard]] std::optional<std::string> value_of(
      const postbox::Result<std::optional<std::string>>& result);

  const WebhookParts parts_;

  mutable std::mutex unhandled_mutex_;
  std::map<std::string, std::uint64_t> unhandled_;  // guarded by unhandled_mutex_
};

}  // namespace stripe

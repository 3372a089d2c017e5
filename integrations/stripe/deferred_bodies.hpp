// DeferredBodies handles waiting bodies again: when another webhook, the resolver or Stripe has
// told the fact that they wait for, and when their time has come.
//
// Place:     inside the integration: behind Reception, over the FactStore's waiting bodies.
// Threads:   release_after() and stop() from any, at the same time; run_once() from one.
// Lifetime:  a member of Reception.
// Failure:   logged, and the body stays: it leaves the store only after its events are on disk, or
//            when no event can be made of it.
#pragma once

#include <atomic>
#include <optional>
#include <postbox/clock.hpp>
#include <set>
#include <string>
#include <string_view>
#include <stripe/body_handler.hpp>
#include <stripe/fetch_schedule.hpp>
#include <stripe/thin_events.hpp>
#include <stripe/webhook_parts.hpp>
#include <vector>

namespace stripe {

class DeferredBodies {
 public:
  DeferredBodies(const WebhookParts& parts, BodyHandler& handler);

  // Handle the bodies that wait for what this one, which was handled, has told; and itself when the
  // fact that it waits for has come already.
  void release_after(const Handled& handled, postbox::WallTime now);

  // As Webhook::run_once().
  std::optional<postbox::WallTime> run_once();

  // Make release_after() and run_once() return after the body that they are handling, now and
  // forever.
  void stop() noexcept;

  // The number of waiting bodies, including those of other processes.
  [[nodiscard]] std::uint64_t waiting() const noexcept;

 private:
  // Handle the bodies that wait for one of the facts, and those whose time has come at `due`. False
  // when one must stay.
  bool release(const std::vector<Fact>& facts, postbox::WallTime due, postbox::WallTime now);
  [[nodiscard]] bool handle_again(const WaitingBody& waiting, postbox::WallTime now);
  [[nodiscard]] std::optional<bool> take(const WaitingBody& waiting, postbox::WallTime now);
  [[nodiscard]] std::optional<postbox::WallTime> next_due();
  [[nodiscard]] bool resolve_one(const std::vector<std::string>& awaited, postbox::WallTime now);
  [[nodiscard]] std::optional<std::string> ask_resolver(std::string_view key);
  [[nodiscard]] std::optional<postbox::WallTime> fetch_thin(
      const std::vector<std::string>& awaited);
  void fetch(const std::vector<std::string>& keys, const std::string& api_key);
  void handle_fetched(const ThinAnswer& answer);
  void put_off(const ThinAnswer& answer);
  [[nodiscard]] bool is_locked(const WaitingBody& waiting);
  [[nodiscard]] bool remove_body(const std::string& event_id);
  void count_end(const Handled& handled);

  const WebhookParts parts_;
  BodyHandler& handler_;
  std::atomic<bool> is_stopping_{false};

  // Of run_once() only.
  std::set<std::string> asked_;  // customers whom the resolver was asked for
  FetchSchedule schedule_;
  std::string used_key_;
  ThinEvents thin_;
};

}  // namespace stripe

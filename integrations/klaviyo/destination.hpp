// Destination turns records into Klaviyo requests and Klaviyo's answers into verdicts.
//
// Place:     the vendor's side of postbox::Destination; start() makes one.
// Threads:   every member may be called from several threads at once; apply() takes effect with the
//            next request().
// Lifetime:  shared with the tracker.
// Failure:   none: what cannot be understood is a verdict, too. Nothing throws but std::bad_alloc.
//
//   answer                                       verdict
//   200, 201, 202, any other 2xx                 delivered
//   429                                          pause, for Retry-After when it can be read
//   408, 5xx, 403 from the edge (HTML or         retry
//     cf-mitigated), no answer, 1xx, nonsense
//   401, 403, 404, 410, 3xx, and a 400 that      park
//     says that the key is invalid
//   403 for a profile or a consent: the key      pause, of these alone
//     lacks a scope that events do not need
//   404 for a consent that names its list        dead, with the answer's reason
//   any other 4xx, several events                split
//   any other 4xx, one event                     dead, with the answer's reason
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <postbox/destination.hpp>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace klaviyo {

struct Connection {
  std::string api_key;
  std::string api_url;
  std::string revision;
  std::uint32_t quota_per_mille = 1000;  // of the account's rate limits

  friend bool operator==(const Connection&, const Connection&) = default;
};

class Destination final : public postbox::Destination {
 public:
  explicit Destination(const Connection& connection,
                       std::span<const postbox::Family> own_families = {});
  ~Destination() override;

  // Use another key, address or revision from the next request on.
  void apply(const Connection& connection);

  [[nodiscard]] std::span<const postbox::Family> families() const noexcept override;

  // True when there is a key.
  [[nodiscard]] bool ready() const noexcept override;

  // POST /api/events, POST /api/event-bulk-create-jobs, POST /api/profile-import, which profiles
  // alone take, and for consent both jobs of subscriptions: POST
  // /api/profile-subscription-bulk-create-jobs and …-delete-jobs.
  [[nodiscard]] std::span<const postbox::Lane> lanes() const noexcept override;
  [[nodiscard]] postbox::Route route(postbox::QueueId queue) const noexcept override;
  // Consent to the same list from the same source shares a job.
  [[nodiscard]] postbox::Sharing sharing(const postbox::EventRecord& event) const noexcept override;
  [[nodiscard]] std::uint32_t quota_per_mille() const noexcept override;

  // A bulk request is grouped by profile and has each event once. A damaged record becomes an empty
  // event, which Klaviyo refuses: so it is split from its batch and ends as a dead letter, instead
  // of being passed over in silence.
  [[nodiscard]] postbox::HttpRequest request(
      std::size_t lane, std::span<const postbox::EventRecord* const> events) const override;

  [[nodiscard]] postbox::Verdict verdict(
      const std::variant<postbox::HttpResponse, postbox::TransportFailure>& outcome,
      std::span<const postbox::EventRecord* const> events, postbox::WallTime now) const override;

  // The metric's name.
  [[nodiscard]] std::string type_of(const postbox::EventRecord& event) const override;

  // The unique_id.
  [[nodiscard]] std::string key_of(const postbox::EventRecord& event) const override;

  void mark_backfill(postbox::EventRecord& event) const override;

  // delivered: info · retry: debug, since an outage concerns every event · pause: warn ·
  // park and dead: error · split: nothing. The first delivered event of somebody who is known by a
  // phone number alone: warn, since an account without SMS drops it behind its 202
  [[nodiscard]] postbox::LogLine log_line(const postbox::EventRecord& event,
                                          const postbox::Verdict& verdict) const override;

  [[nodiscard]] postbox::LogLine outage_line(const postbox::EventRecord& event,
                                             const postbox::Verdict& verdict) const override;
  [[nodiscard]] postbox::LogLine rejection_line(const postbox::EventName& event,
                                                std::string_view rules) const override;
  [[nodiscard]] std::string recovery_text() const override;

 private:
  struct Prepared;
  [[nodiscard]] const Prepared& prepared() const noexcept;

  const std::vector<postbox::Family> queues_;

  // Read without a lock: one that is taken when the process forks would be taken in the child for
  // ever. What was replaced is kept, since a reader may still have it; reloads are rare.
  std::mutex applying_;
  std::vector<std::unique_ptr<const Prepared>> all_;  // guarded by applying_
  std::atomic<const Prepared*> prepared_{nullptr};    // the last of them
  mutable std::atomic<bool> said_phone_alone_{false};
};

}  // namespace klaviyo

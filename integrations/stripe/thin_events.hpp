// ThinEvents fetches thin events from Stripe, as an endpoint with the payload style "snapshot"
// would get them.
//
// Place:     inside the integration: DeferredBodies, before the mapping.
// Threads:   fetch() from one thread at a time; stop() from any.
// Lifetime:  a member of DeferredBodies.
// Failure:   ThinAnswer says why there is no event. std::bad_alloc leaves nothing half done.
//
// Sources: docs.stripe.com/changelog/endive/2026-09-30/thin-events-for-api-v1-resources-generally-
// available (snapshot_event, changes, related_object), docs.stripe.com/event-destinations.
#pragma once

#include <atomic>
#include <memory>
#include <postbox/http_client.hpp>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>
#include <vector>

namespace stripe {

struct ThinAnswer {
  std::string key{};      // of the waiting body
  std::string body{};     // empty when it could not be fetched
  std::string trouble{};  // the reason then

  // A trouble that all share: the network, the API key, or the rate limit.
  bool is_general = false;
};

class ThinEvents {
 public:
  // A null `http` is replaced at the first fetch.
  ThinEvents(std::shared_ptr<postbox::HttpClient> http, std::string api_url, std::string ca_file);

  // Fetch all of them at the same time. Returns an answer for each, or fewer after stop(). One
  // event takes at most three requests, one after the other, of 15 s each.
  [[nodiscard]] std::vector<ThinAnswer> fetch(const std::vector<WaitingBody>& events,
                                              std::string_view api_key);

  // Make fetch() return, now and forever.
  void stop() noexcept;

 private:
  [[nodiscard]] postbox::Result<void> connect();

  const std::string api_url_;
  const std::string ca_file_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<postbox::HttpClient*> to_wake_{nullptr};
  std::shared_ptr<postbox::HttpClient> http_;  // the fetching thread's
};

}  // namespace stripe

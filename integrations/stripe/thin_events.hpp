// ThinEvents asks Stripe for what thin events name but do not have: an event as an endpoint with
// the payload style "snapshot" would get it.
//
// Place:     inside the integration: Reception's thread, before the mapping.
// Threads:   fetch() from one thread at a time; stop() from any.
// Lifetime:  a member of Reception.
// Failure:   ThinAnswer says why there is no event. What throws for want of memory leaves nothing
//            half done.
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
  std::string key{};   // of the body that waits
  std::string body{};  // empty: there is none
  std::string trouble{};

  // The others would fail like it: the way to Stripe, the key, or the rate.
  bool is_general = false;
};

class ThinEvents {
 public:
  // A null `http` is made at the first fetch.
  ThinEvents(std::shared_ptr<postbox::HttpClient> http, std::string api_url, std::string ca_file);

  // Ask for all of them at the same time; returns an answer for each, or less after stop(). Three
  // requests in a row are the most that one takes, each within 15 s.
  [[nodiscard]] std::vector<ThinAnswer> fetch(const std::vector<WaitingBody>& events,
                                              std::string_view api_key);

  // Let fetch() return, now and for ever.
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

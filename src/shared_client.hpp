// SharedClient lets several senders use one HttpClient: each has a share of its own, and gets the
// completions of its own transfers.
//
// Place:     between the senders of an engine's pipelines and the network.
// Threads:   the sender's thread; wake() of a share from any.
// Lifetime:  outlives its shares, whose number is constant once they are used.
// Failure:   what the client throws passes through, and no completion is lost by it.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <postbox/http_client.hpp>

namespace postbox {

class SharedClient {
 public:
  explicit SharedClient(std::shared_ptr<HttpClient> client) : client_(std::move(client)) {}

  [[nodiscard]] std::unique_ptr<HttpClient> new_share();

  // Wait for a transfer of any share to finish, or for wake(); not at all while there is something
  // that a share has not taken yet.
  void wait(std::chrono::nanoseconds max_wait);

  void wake() noexcept { client_->wake(); }

 private:
  class Share;

  void poll(std::chrono::nanoseconds max_wait);

  const std::shared_ptr<HttpClient> client_;
  std::vector<std::pair<TransferId, Share*>> owners_;  // of what is in flight
  std::vector<HttpCompletion> arrived_;                // of nobody yet; the last is the next
  std::size_t untaken_ = 0;                            // what shares have
};

}  // namespace postbox

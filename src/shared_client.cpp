#include "shared_client.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace postbox {

class SharedClient::Share : public HttpClient {
 public:
  explicit Share(SharedClient& all) : all_(all) {}
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  ~Share() override { forget(); }

  Result<TransferId> start(HttpRequest request) override {
    // Room first: nothing may throw once the request is under way.
    all_.owners_.reserve(all_.owners_.size() + 1);
    auto id = all_.client_->start(std::move(request));
    if (id) all_.owners_.emplace_back(*id, this);
    return id;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) override {
    if (finished_.empty()) all_.poll(max_wait);
    POSTBOX_ASSERT(finished_.size() <= all_.untaken_);
    all_.untaken_ -= finished_.size();
    return std::exchange(finished_, {});
  }

  void wake() noexcept override { all_.wake(); }

  // Transfers of other shares go on; beside them ours, too, but nobody hears of them.
  void cancel_all() noexcept override {
    forget();
    if (all_.owners_.empty()) all_.client_->cancel_all();
  }

 private:
  friend class SharedClient;

  void forget() noexcept {
    std::erase_if(all_.owners_, [this](const auto& transfer) { return transfer.second == this; });
    POSTBOX_ASSERT(finished_.size() <= all_.untaken_);
    all_.untaken_ -= finished_.size();
    finished_.clear();
  }

  SharedClient& all_;
  std::vector<HttpCompletion> finished_;
};

std::unique_ptr<HttpClient> SharedClient::new_share() { return std::make_unique<Share>(*this); }

void SharedClient::wait(std::chrono::nanoseconds max_wait) {
  if (untaken_ == 0) poll(max_wait);
}

void SharedClient::poll(std::chrono::nanoseconds max_wait) {
  if (arrived_.empty()) {
    arrived_ = client_->poll(max_wait);
    std::ranges::reverse(arrived_);
  }
  while (!arrived_.empty()) {
    const auto owner =
        std::ranges::find(owners_, arrived_.back().id, &std::pair<TransferId, Share*>::first);
    if (owner != owners_.end()) {  // else it was cancelled
      owner->second->finished_.push_back(std::move(arrived_.back()));
      ++untaken_;
      *owner = owners_.back();
      owners_.pop_back();
    }
    arrived_.pop_back();
  }
}

}  // namespace postbox

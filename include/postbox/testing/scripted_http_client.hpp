// ScriptedHttpClient answers requests from a function of the test, and remembers them.
//
// Place:     instead of libcurl, in Services::http; for the tests of programs that use Postbox.
// Threads:   every member may be called from several threads at once; the handler runs under a
//            lock, on the sender's thread.
// Lifetime:  shared with the tracker; must outlive Tracker::stop().
// Failure:   none.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include <postbox/http_client.hpp>
#include <postbox/services.hpp>  // which brings it to a tracker

namespace postbox::testing {

class ScriptedHttpClient final : public HttpClient {
 public:
  using Answer = std::variant<HttpResponse, TransportFailure>;
  using Handler = std::function<Answer(const HttpRequest&)>;

  ScriptedHttpClient() : handler_([](const HttpRequest&) { return answer(202); }) {}

  // Answer with `status` and `body`. Header names are in lower case.
  [[nodiscard]] static Answer answer(
      int status, std::string body = {},
      std::vector<std::pair<std::string, std::string>> headers = {}) {
    return HttpResponse{status, std::move(headers), std::move(body)};
  }
  [[nodiscard]] static Answer failure(TransportFault fault) {
    return TransportFailure{fault, "scripted"};
  }

  // Answer all later requests by `handler`. Defaults to 202 for everything.
  void on_request(Handler handler) {
    const std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }

  // While true, requests are taken and stay unanswered.
  void hang(bool hanging) {
    const std::lock_guard lock(mutex_);
    hanging_ = hanging;
    changed_.notify_all();
  }

  [[nodiscard]] std::vector<HttpRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  [[nodiscard]] std::size_t unanswered() const {
    const std::lock_guard lock(mutex_);
    return open_.size();
  }

  Result<TransferId> start(HttpRequest request) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    open_.emplace_back(++last_id_, std::move(request));
    return last_id_;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) override {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return woken_ || (!hanging_ && !open_.empty()); };
    if (max_wait.count() > 0) changed_.wait_for(lock, max_wait, ready);
    woken_ = false;
    std::vector<HttpCompletion> finished;
    if (hanging_) return finished;
    for (auto& [id, request] : std::exchange(open_, {})) {
      finished.push_back({id, handler_(request)});
    }
    return finished;
  }

  void wake() noexcept override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }

  void cancel_all() noexcept override {
    const std::lock_guard lock(mutex_);
    open_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Handler handler_;
  std::vector<HttpRequest> requests_;
  std::vector<std::pair<TransferId, HttpRequest>> open_;
  TransferId last_id_ = 0;
  bool hanging_ = false;
  bool woken_ = false;
};

}  // namespace postbox::testing

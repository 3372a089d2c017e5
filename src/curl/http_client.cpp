#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <memory>
#include <postbox/http_client.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fork_gate.hpp"
#include "base/not_accepted.hpp"
#include "handles.hpp"
#include "multi.hpp"
#include "proxy_settings.hpp"
#include "setup.hpp"
#include "transfer.hpp"

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr long kIdleConnections = 128;

steady_clock::time_point deadline_after(nanoseconds wait) noexcept {
  const auto now = steady_clock::now();
  return wait < steady_clock::time_point::max() - now ? now + wait
                                                      : steady_clock::time_point::max();
}

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(HttpOptions options, ProxySettings proxies, std::unique_ptr<CurlMulti> multi)
      : setup_(std::move(options), std::move(proxies)), multi_(std::move(multi)) {
    curl_multi_setopt(multi_->get(), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_->get(), CURLMOPT_MAXCONNECTS, kIdleConnections);
#if LIBCURL_VERSION_NUM >= 0x081400  // 8.20 moved the resolver threads to the multi handle
    curl_multi_setopt(multi_->get(), CURLMOPT_QUICK_EXIT, 1L);
#endif
  }

  ~CurlHttpClient() override {
    const NoFork no_fork;
    const SigpipeGuard guard;
    cancel_all();
    if (last_id_ == 0) teach_no_signal();
    transfers_.clear();
    multi_.reset();
  }

  CurlHttpClient(const CurlHttpClient&) = delete;
  CurlHttpClient& operator=(const CurlHttpClient&) = delete;

  // Find out on the caller's thread whether libcurl takes every option.
  [[nodiscard]] Result<void> probe() {
    Transfer* transfer = idle_transfer();
    if (transfer == nullptr) return Error{ErrorCode::kTransport, "libcurl refuses an option"};
    idle_.push_back(transfer);
    return {};
  }

  Result<TransferId> start(HttpRequest request) override {
    const NoFork no_fork;
    try {
      Transfer* transfer = idle_transfer();
      if (transfer == nullptr) return Error{ErrorCode::kTransport, "no handle"};
      if (auto set = setup_.set_request(*transfer, std::move(request)); !set) {
        recycle(*transfer);
        return set.error();
      }
      return enter_multi(*transfer);
    } catch (const std::exception&) {
      return Error{ErrorCode::kTransport, "out of memory"};
    }
  }

  std::vector<HttpCompletion> poll(nanoseconds max_wait) override {
    const SigpipeGuard guard;
    const auto deadline = deadline_after(max_wait);
    for (;;) {
      run(&CurlMulti::run_timers);
      const auto next_look = end_stalled();
      const auto now = steady_clock::now();
      const auto left = std::max<nanoseconds>(deadline - now, nanoseconds::zero());
      const auto pause = std::clamp<nanoseconds>(next_look - now, nanoseconds::zero(), left);
      multi_->wait(finished_.empty() ? pause : nanoseconds::zero());
      run(&CurlMulti::run_sockets);
      auto finished = report_finished();
      const bool woken = woken_.exchange(false);
      if (woken || left == nanoseconds::zero() || !finished.empty()) return finished;
    }
  }

  // The flag tells a wake-up from socket activity. It is set first, so that a poll() which misses
  // it still finds the descriptor readable; who finds it set leaves the writing to the one before.
  void wake() noexcept override {
    if (!woken_.exchange(true)) multi_->wake();
  }

  // Returns without waiting for the network: connections in use are closed, and a look-up under
  // way is left to its resolver thread (CURLOPT_QUICK_EXIT), which frees what it owns.
  void cancel_all() noexcept override {
    const NoFork no_fork;
    const SigpipeGuard guard;
    for (Transfer* transfer : finished_) recycle(*transfer);
    finished_.clear();
    for (const auto& transfer : transfers_) {
      if (!transfer->in_multi) continue;
      leave_multi(*transfer);
      recycle(*transfer);
    }
  }

 private:
  void run(void (CurlMulti::*work)() noexcept) noexcept {
    const NoFork no_fork;
    (*multi_.*work)();
    collect_finished();
  }

  // Return a transfer that belongs to the caller until recycle(), or null.
  Transfer* idle_transfer() {
    if (!idle_.empty()) {
      Transfer* transfer = idle_.back();
      idle_.pop_back();
      return transfer;
    }
    // Room for every transfer, so that moving one between the lists never needs memory.
    transfers_.reserve(transfers_.size() + 1);
    idle_.reserve(transfers_.size() + 1);
    finished_.reserve(transfers_.size() + 1);
    auto transfer = std::make_unique<Transfer>();
    transfer->easy.reset(curl_easy_init());
    if (!transfer->easy || !setup_.set_constants(*transfer)) return nullptr;
    return transfers_.emplace_back(std::move(transfer)).get();
  }

  // libcurl closes connections in the name of the handle that was added last. Had there been none,
  // curl_multi_cleanup() would replace the host's SIGPIPE handler for a moment.
  void teach_no_signal() noexcept {
    try {
      Transfer* transfer = idle_transfer();
      if (transfer == nullptr) return;
      curl_multi_add_handle(multi_->get(), transfer->easy.get());
      leave_multi(*transfer);
    } catch (const std::exception&) {  // without memory it has to be so
    }
  }

  // Give back what the request and its answer held, except the handle and what the next request
  // is likely to have in common.
  void recycle(Transfer& transfer) noexcept {
    POSTBOX_ASSERT(!transfer.in_multi && idle_.size() < transfers_.size());
    transfer.request.body = std::string();
    transfer.reader = ResponseReader{};
    idle_.push_back(&transfer);
  }

  Result<TransferId> enter_multi(Transfer& transfer) noexcept {
    transfer.error_text.front() = '\0';
    const CURLMcode refused = curl_multi_add_handle(multi_->get(), transfer.easy.get());
    if (refused != CURLM_OK) {
      recycle(transfer);
      return Error{ErrorCode::kTransport, "out of handles"};
    }
    POSTBOX_ASSERT(!transfer.in_multi);
    transfer.in_multi = true;
    transfer.id = ++last_id_;
    return transfer.id;
  }

  void leave_multi(Transfer& transfer) noexcept {
    curl_multi_remove_handle(multi_->get(), transfer.easy.get());
    transfer.in_multi = false;
  }

  // Returns when to look again.
  steady_clock::time_point end_stalled() noexcept {
    const NoFork no_fork;
    const auto now = steady_clock::now();
    auto next_look = steady_clock::time_point::max();
    for (const auto& transfer : transfers_) {
      if (!transfer->in_multi) continue;
      if (transfer->watch.next_look() <= now &&
          transfer->watch.stalled(now, bytes_moved(*transfer))) {
        transfer->result = CURLE_OPERATION_TIMEDOUT;
        constexpr std::string_view kWhy = "nothing was sent or received";
        *std::copy(kWhy.begin(), kWhy.end(), transfer->error_text.begin()) = '\0';
        leave_multi(*transfer);
        finished_.push_back(transfer.get());
      } else {
        next_look = std::min(next_look, transfer->watch.next_look());
      }
    }
    return next_look;
  }

  [[nodiscard]] std::int64_t bytes_moved(const Transfer& transfer) const noexcept {
    curl_off_t sent = 0;
    curl_off_t received = 0;
    long head = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_SIZE_DOWNLOAD_T, &received);
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_HEADER_SIZE, &head);
    return sent + received + head - multi_->unacknowledged(transfer.easy.get());
  }

  void collect_finished() noexcept {
    int queued = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_->get(), &queued)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      auto* transfer = static_cast<Transfer*>(static_cast<void*>(user));
      transfer->result = message->data.result;
      POSTBOX_ASSERT(transfer->in_multi);
      leave_multi(*transfer);  // also frees `message`
      finished_.push_back(transfer);
    }
  }

  // Without memory for the list, everything stays for the next poll().
  std::vector<HttpCompletion> report_finished() noexcept {
    std::vector<HttpCompletion> completions;
    try {
      completions.reserve(finished_.size());
    } catch (const std::exception&) {
      return completions;
    }
    POSTBOX_ASSERT(finished_.size() + idle_.size() <= transfers_.size());
    for (Transfer* transfer : finished_) {
      completions.push_back(HttpCompletion{transfer->id, outcome_of(*transfer)});
      recycle(*transfer);
    }
    finished_.clear();
    return completions;
  }

  // Constant after construction.
  const CurlSetup setup_;

  // Only touched by the thread that calls start(), poll() and cancel_all(), but for its wake().
  std::unique_ptr<CurlMulti> multi_;
  std::vector<std::unique_ptr<Transfer>> transfers_;  // all of them, in use or not
  std::vector<Transfer*> idle_;
  std::vector<Transfer*> finished_;  // out of multi_, not yet reported
  TransferId last_id_ = 0;

  std::atomic<bool> woken_ = false;  // from any thread
};

// Never undone: another part of the process may be using libcurl by then (pitfall P15).
CURLcode initialise_curl_once() noexcept {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  return result;
}

// Say whether OpenSSL, and with it libcurl, finds a certificate in `file`, and leave no trace in
// the error queue: the host may be looking at it.
bool holds_certificates(const std::string& file) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                      &X509_STORE_free);
  ERR_set_mark();
  const bool loaded = store && X509_STORE_load_file(store.get(), file.c_str()) == 1;
  ERR_pop_to_mark();
  return loaded;
}

}  // namespace

Result<std::shared_ptr<HttpClient>> curl_http_client(const HttpOptions& options) try {
  const auto usable = [](milliseconds timeout) {
    return timeout > milliseconds::zero() && timeout <= milliseconds(INT_MAX);
  };
  if (!usable(options.connect_timeout) || !usable(options.total_timeout)) {
    return Error{ErrorCode::kInvalidConfig, "an HTTP time-out is not between 1 ms and 24 days"};
  }
  if (!options.ca_file.empty() && !holds_certificates(options.ca_file)) {
    return not_accepted(options.ca_file, "a readable file of PEM certificates")
        .with_context("POSTBOX_CA_FILE");
  }
  if (!options.host_owns_curl) {
    const CURLcode result = initialise_curl_once();
    if (result != CURLE_OK) return Error{ErrorCode::kTransport, curl_easy_strerror(result)};
  }
  std::unique_ptr<CurlMulti> multi = CurlMulti::make(options.http2);
  if (!multi) return Error{ErrorCode::kTransport, "libcurl gives no multi handle"};
  auto client =
      std::make_shared<CurlHttpClient>(options, proxies_from_environment(), std::move(multi));
  // Not under a host that initialises libcurl: it may do so after this call.
  if (!options.host_owns_curl) {
    if (auto probed = client->probe(); !probed) return probed.error();
  }
  return std::shared_ptr<HttpClient>(std::move(client));
} catch (const std::exception&) {
  return Error{ErrorCode::kTransport, "out of memory"};
}

}  // namespace postbox

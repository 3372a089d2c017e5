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
#include <utility>
#include <vector>

#include "curl_handles.hpp"
#include "curl_multi.hpp"
#include "curl_transfer.hpp"
#include "fork_gate.hpp"
#include "proxy_settings.hpp"

static_assert(LIBCURL_VERSION_NUM >= 0x075700, "Postbox needs libcurl 7.87: CURLOPT_QUICK_EXIT");

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr long kIdleConnections = 128;

// libcurl takes both buffers from the heap for every transfer. At its defaults of 64 and 16 KiB a
// small request costs a third more CPU; bulk bodies do not notice.
constexpr long kSendBuffer = 16L << 10;
constexpr long kReceiveBuffer = 4L << 10;

Result<void> accepted(CURLcode code) {
  if (code == CURLE_OK) return {};
  return Error{ErrorCode::kTransport, curl_easy_strerror(code)};
}

steady_clock::time_point deadline_after(nanoseconds wait) noexcept {
  const auto now = steady_clock::now();
  return wait < steady_clock::time_point::max() - now ? now + wait
                                                      : steady_clock::time_point::max();
}

class CurlHttpClient final : public HttpClient {
 public:
  CurlHttpClient(HttpOptions options, ProxySettings proxies, std::unique_ptr<CurlMulti> multi)
      : options_(std::move(options)), proxies_(std::move(proxies)), multi_(std::move(multi)) {
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
      if (auto set = set_request(*transfer, std::move(request)); !set) {
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
      const auto left = std::max<nanoseconds>(deadline - steady_clock::now(), nanoseconds::zero());
      multi_->wait(finished_.empty() ? left : nanoseconds::zero());
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
    transfer->keep = options_.max_response.count;
    if (!transfer->easy || set_constant_options(*transfer) != CURLE_OK ||
        set_trust(*transfer) != CURLE_OK) {
      return nullptr;
    }
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
    transfer.request.body = std::string();
    transfer.reader = ResponseReader{};
    idle_.push_back(&transfer);
  }

  CURLcode set_constant_options(Transfer& transfer) const noexcept {
    return EasyOptions(transfer.easy.get())
        .set(CURLOPT_PRIVATE, static_cast<void*>(&transfer))
        .set(CURLOPT_ERRORBUFFER, transfer.error_text.data())
        .set(CURLOPT_HEADERFUNCTION, &postbox_on_header)
        .set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer))
        .set(CURLOPT_WRITEFUNCTION, &postbox_on_body)
        .set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer))
        .set(CURLOPT_POST, 1L)
        .set(CURLOPT_USERAGENT, options_.user_agent.c_str())
        .set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()))
        .set(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.total_timeout.count()))
        .set(CURLOPT_LOW_SPEED_LIMIT, 1L)
        .set(CURLOPT_LOW_SPEED_TIME, low_speed_seconds())
        .set(CURLOPT_NOSIGNAL, 1L)
        // Else the end of a transfer joins its resolver thread, which may take the resolver's own
        // time-out of many seconds (curl issue 8515).
        .set(CURLOPT_QUICK_EXIT, 1L)
        .set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBuffer)
        .set(CURLOPT_BUFFERSIZE, kReceiveBuffer)
        .set(CURLOPT_FOLLOWLOCATION, 0L)
        .set(CURLOPT_PROTOCOLS_STR, "http,https")
        .set(CURLOPT_SSL_VERIFYPEER, 1L)
        .set(CURLOPT_SSL_VERIFYHOST, 2L)
        .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
        .set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
        .set(CURLOPT_HTTP_VERSION,
             static_cast<long>(options_.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1))
        .set(CURLOPT_TCP_KEEPALIVE, 1L)
        .set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED))
        .set(CURLOPT_NOPROXY, proxies_.bypass.c_str())
        // The proxy sees neither our headers in CONNECT, nor do we take its answer for the
        // server's.
        .set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE))
        .set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L)
        .result();
  }

  // A folder of certificates beside the file, which Debian's libcurl has by default, keeps libcurl
  // from parsing the file only once: every connection would cost 20 ms of CPU.
  CURLcode set_trust(Transfer& transfer) const noexcept {
    const char* file = options_.ca_file.c_str();
    if (options_.ca_file.empty()) curl_easy_getinfo(transfer.easy.get(), CURLINFO_CAINFO, &file);
    if (file == nullptr) return CURLE_OK;  // a libcurl that asks the operating system
    const char* const no_folder = nullptr;
    return EasyOptions(transfer.easy.get())
        .set(CURLOPT_CAINFO, file)
        .set(CURLOPT_CAPATH, no_folder)
        .set(CURLOPT_PROXY_CAINFO, file)
        .set(CURLOPT_PROXY_CAPATH, no_folder)
        .result();
  }

  // Most requests differ from the one before in their body alone: what else they hold is checked,
  // and its URL parsed, once.
  Result<void> set_request(Transfer& transfer, HttpRequest request) const noexcept try {
    HttpRequest& last = transfer.request;
    if (!transfer.target || last.url != request.url || last.headers != request.headers) {
      transfer.target.reset();
      if (const char* fault = fault_in(request)) return Error{ErrorCode::kTransport, fault};
      last = {std::move(request.url), std::move(request.headers), {}};
      if (auto set = set_target(transfer); !set) return set;
    }
    last.body = std::move(request.body);
    return accepted(EasyOptions(transfer.easy.get())
                        .set(CURLOPT_POSTFIELDS, last.body.data())
                        .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(last.body.size()))
                        .result());
  } catch (const std::exception&) {
    return Error{ErrorCode::kTransport, "out of memory"};
  }

  Result<void> set_target(Transfer& transfer) const {
    HttpRequest& request = transfer.request;
    UrlHandle target(curl_url());
    if (!target) return accepted(CURLE_OUT_OF_MEMORY);
    const CURLUcode bad = curl_url_set(target.get(), CURLUPART_URL, request.url.c_str(),
                                       CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
    if (bad != CURLUE_OK) return Error{ErrorCode::kTransport, curl_url_strerror(bad)};
    transfer.headers.rebuild(request.headers);
    EasyOptions options(transfer.easy.get());
    options.set(CURLOPT_URL, request.url.c_str()).set(CURLOPT_HTTPHEADER, transfer.headers.head());
    const bool over_tls = !request.url.starts_with("http:");
    if (transfer.over_tls != over_tls) {
      // An empty proxy, unlike none, keeps libcurl from asking the environment. PIPEWAIT pays only
      // where a connection may turn out to carry many transfers.
      const std::string& proxy = over_tls ? proxies_.for_https : proxies_.for_http;
      options.set(CURLOPT_PROXY, proxy.c_str())
          .set(CURLOPT_PIPEWAIT, over_tls && options_.http2 ? 1L : 0L);
      if (options.result() == CURLE_OK) transfer.over_tls = over_tls;
    }
    // Last: libcurl keeps the pointer.
    if (options.result() == CURLE_OK) options.set(CURLOPT_CURLU, target.get());
    if (options.result() == CURLE_OK) transfer.target = std::move(target);
    return accepted(options.result());
  }

  // Two thirds of the total, in whole seconds: enough for a server that thinks, and 0 (off) where
  // the total time-out is so short that it needs no help.
  [[nodiscard]] long low_speed_seconds() const noexcept {
    return static_cast<long>(options_.total_timeout.count() * 2 / 3 / 1000);
  }

  Result<TransferId> enter_multi(Transfer& transfer) noexcept {
    transfer.error_text.front() = '\0';
    const CURLMcode refused = curl_multi_add_handle(multi_->get(), transfer.easy.get());
    if (refused != CURLM_OK) {
      recycle(transfer);
      return Error{ErrorCode::kTransport, "out of handles"};
    }
    transfer.in_multi = true;
    transfer.id = ++last_id_;
    return transfer.id;
  }

  void leave_multi(Transfer& transfer) noexcept {
    curl_multi_remove_handle(multi_->get(), transfer.easy.get());
    transfer.in_multi = false;
  }

  void collect_finished() noexcept {
    int queued = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_->get(), &queued)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      auto* transfer = static_cast<Transfer*>(static_cast<void*>(user));
      transfer->result = message->data.result;
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
    for (Transfer* transfer : finished_) {
      completions.push_back(HttpCompletion{transfer->id, outcome_of(*transfer)});
      recycle(*transfer);
    }
    finished_.clear();
    return completions;
  }

  // Constant after construction.
  const HttpOptions options_;
  const ProxySettings proxies_;

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
    return Error{ErrorCode::kInvalidConfig, "POSTBOX_CA_FILE: '" + options.ca_file +
                                                "' is not accepted; expected a readable file of "
                                                "PEM certificates"};
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

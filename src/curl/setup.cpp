#include "setup.hpp"

#include <algorithm>
#include <climits>
#include <exception>
#include <string>
#include <utility>

#include "handles.hpp"

static_assert(LIBCURL_VERSION_NUM >= 0x075700, "Postbox needs libcurl 7.87: CURLOPT_QUICK_EXIT");

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// libcurl takes both buffers from the heap for every transfer. At its defaults of 64 and 16 KiB a
// small request costs a third more CPU; bulk bodies do not notice.
constexpr long kSendBuffer = 16L << 10;
constexpr long kReceiveBuffer = 4L << 10;

Result<void> accepted(CURLcode code) {
  if (code == CURLE_OK) return {};
  return Error{ErrorCode::kTransport, curl_easy_strerror(code)};
}

}  // namespace

CurlSetup::CurlSetup(HttpOptions options, ProxySettings proxies)
    : options_(std::move(options)), proxies_(std::move(proxies)) {}

Result<void> CurlSetup::set_constants(Transfer& transfer) const noexcept {
  transfer.keep = options_.max_response.count;
  const CURLcode set = set_constant_options(transfer);
  return accepted(set == CURLE_OK ? set_trust(transfer) : set);
}

// HTTP/1.1 unless asked. With up to 16 requests in flight, libcurl's HTTP/2 costs more CPU and
// waits no less: 54 µs a request against 44 with 16 in flight, 65 against 38 with 4, 76 against 49
// with 1; behind 50 ms of latency 155 against 78, with a median of 51.3 ms against 50.7 (libcurl
// 7.88, nginx with TLS on the loopback, bodies of 1.1 KB, medians of 5 to 9 alternating runs on two
// shared cores). Besides, libcurl 7.88 may put a request on an HTTP/2 connection that the server
// has said goodbye to, which comes back as a reset and is sent again after a backoff.
// `HttpOptions::http2` is for who must have few connections.
CURLcode CurlSetup::set_constant_options(Transfer& transfer) const noexcept {
  return EasyOptions(transfer.easy.get())
      .set(CURLOPT_PRIVATE, static_cast<void*>(&transfer))
      .set(CURLOPT_ERRORBUFFER, transfer.error_text.data())
      .set(CURLOPT_HEADERFUNCTION, &postbox_on_header)
      .set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer))
      .set(CURLOPT_WRITEFUNCTION, &postbox_on_body)
      .set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer))
      .set(CURLOPT_USERAGENT, options_.user_agent.c_str())
      .set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()))
      .set(CURLOPT_LOW_SPEED_LIMIT, 1L)
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

// Certificates from one file, small buffers. With a folder of certificates beside the file, as
// Debian's libcurl has by default, each of 16 connections cost 23 ms of CPU to parse the file
// again; without the folder they cost 41 ms together. Buffers of 16 and 4 KiB in place of 64 and 16
// brought a request over HTTP/1.1 from 55 to 38 µs; a body of 1.1 MB costs the same within the
// noise.
CURLcode CurlSetup::set_trust(Transfer& transfer) const noexcept {
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
Result<void> CurlSetup::set_request(Transfer& transfer, HttpRequest request) const noexcept try {
  HttpRequest& last = transfer.request;
  if (!transfer.target || last.url != request.url || last.headers != request.headers) {
    transfer.target.reset();
    if (const char* fault = fault_in(request)) return Error{ErrorCode::kTransport, fault};
    last.url = std::move(request.url);
    last.headers = std::move(request.headers);
    if (auto set = set_target(transfer); !set) return set;
  }
  if (auto set = set_timeout(transfer, request.timeout); !set) return set;
  last.body = std::move(request.body);
  if (request.method == HttpMethod::kGet) {
    return accepted(EasyOptions(transfer.easy.get()).set(CURLOPT_HTTPGET, 1L).result());
  }
  return accepted(EasyOptions(transfer.easy.get())
                      .set(CURLOPT_POST, 1L)
                      .set(CURLOPT_POSTFIELDS, last.body.data())
                      .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(last.body.size()))
                      .result());
} catch (const std::exception&) {
  return Error{ErrorCode::kTransport, "out of memory"};
}

// libcurl's own rule for transfers that stand still counts what the kernel's buffer has taken for
// sent, and knows whole seconds only: with a timeout of its own a request has a StallWatch.
Result<void> CurlSetup::set_timeout(Transfer& transfer, milliseconds timeout) const noexcept {
  timeout = std::clamp(timeout, milliseconds::zero(), milliseconds(INT_MAX));
  const bool own = timeout > milliseconds::zero();
  transfer.watch = own ? StallWatch(steady_clock::now(), options_.total_timeout) : StallWatch();
  if (transfer.timeout == timeout) return {};
  transfer.timeout.reset();
  const milliseconds all = own ? timeout : options_.total_timeout;
  auto set = accepted(EasyOptions(transfer.easy.get())
                          .set(CURLOPT_TIMEOUT_MS, static_cast<long>(all.count()))
                          .set(CURLOPT_LOW_SPEED_TIME, own ? 0L : low_speed_seconds())
                          .result());
  if (set) transfer.timeout = timeout;
  return set;
}

Result<void> CurlSetup::set_target(Transfer& transfer) const {
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
long CurlSetup::low_speed_seconds() const noexcept {
  return static_cast<long>(options_.total_timeout.count() * 2 / 3 / 1000);
}

}  // namespace postbox

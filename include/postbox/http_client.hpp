// HttpClient moves HTTP requests: many in flight on one thread.
//
// Place:     called by the sender thread, between Destination::request and Destination::verdict.
// Threads:   start(), poll() and cancel_all() from one thread at a time; wake() from any thread,
//            also while poll() is waiting.
// Lifetime:  shared with the host; must outlive Tracker::stop().
// Failure:   an answer with any status is a success; its absence is a TransportFailure. Every
//            started transfer is returned by poll() exactly once, unless cancel_all() dropped it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <postbox/http_options.hpp>
#include <postbox/result.hpp>

namespace postbox {

enum class HttpMethod : std::uint8_t {
  kPost,
  kGet,  // the body must be empty
};

struct HttpRequest {
  std::string url;                   // redirects are never followed
  std::vector<std::string> headers;  // "Name: value"
  std::string body;

  // How long all of it may take on a link that is slow; HttpOptions::total_timeout is then how long
  // nothing at all may move. Defaults to zero: total_timeout for everything.
  std::chrono::milliseconds timeout{0};

  HttpMethod method = HttpMethod::kPost;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers{};  // names in lower case
  std::string body{};  // the first HttpOptions::max_response of it, however it goes on or ends

  // Returns the value of the last header `name` (lower case), or an empty view.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
    for (auto it = headers.rbegin(); it != headers.rend(); ++it) {
      if (it->first == name) return it->second;
    }
    return {};
  }
};

enum class TransportFault : std::uint8_t {
  kDns,
  kConnect,
  kTls,
  kTimeout,
  kReset,     // the connection ended before the answer did; the request may have been processed
  kProtocol,  // not HTTP, or a head that is larger than allowed
  kOther,
};

// "DNS", "connect", "TLS", "time-out", "connection reset", "not HTTP", "network".
[[nodiscard]] std::string_view name_of(TransportFault fault) noexcept;

struct TransportFailure {
  TransportFault fault = TransportFault::kOther;
  std::string detail{};  // for the log; holds no header and no body
};

using TransferId = std::uint64_t;

struct HttpCompletion {
  TransferId id = 0;
  std::variant<HttpResponse, TransportFailure> outcome;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Begin a transfer and return at once. Fails with kTransport when it cannot even begin.
  [[nodiscard]] virtual Result<TransferId> start(HttpRequest request) = 0;

  // Drive the transfers, waiting at most `max_wait` for one to finish or for wake(), and return
  // those that have finished. Returns at once when there are some.
  [[nodiscard]] virtual std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) = 0;

  // Let a waiting or the next poll() return at once.
  virtual void wake() noexcept = 0;

  // Abort all transfers; none of them is reported afterwards.
  virtual void cancel_all() noexcept = 0;
};

// Returns the client over libcurl: connections are reused, certificates always verified. The proxy
// variables of the environment (https_proxy, http_proxy for plain loopback addresses, no_proxy) are
// read here, once. Fails with kInvalidConfig when a time-out is out of range or `ca_file` holds no
// certificate.
[[nodiscard]] Result<std::shared_ptr<HttpClient>> curl_http_client(const HttpOptions& options);

}  // namespace postbox

// Transfer is one request on its way through libcurl, with the answer as far as it has come.
//
// Place:     between CurlHttpClient, which owns all of them, and libcurl's callbacks.
// Threads:   the one that drives the client.
// Lifetime:  at a fixed address: libcurl holds pointers to it and into its request.
// Failure:   a callback that cannot go on aborts its transfer; nothing here throws.
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <postbox/http_client.hpp>
#include <string_view>
#include <utility>
#include <variant>

#include "handles.hpp"

namespace postbox {

// Returns why `request` must not be sent, or null. A line break would smuggle a second header in.
[[nodiscard]] const char* fault_in(const HttpRequest& request) noexcept;

// Collects one answer, within bounds.
class ResponseReader {
 public:
  enum class Abort : std::uint8_t { kNone, kEnough, kHeadTooLarge, kMalformed, kNoMemory };

  // Return false to abort the transfer; aborted() then says why. Of the body at most `keep` bytes
  // are stored; a body many times longer than that is not read to its end.
  bool header_line(std::string_view line) noexcept;
  bool body_part(std::string_view part, std::uint64_t keep) noexcept;

  [[nodiscard]] Abort aborted() const noexcept { return aborted_; }

  // Says whether take() returns the same, however the rest of the body ends.
  [[nodiscard]] bool complete(std::uint64_t keep) const noexcept {
    return body_bytes_ > 0 && body_bytes_ >= keep && aborted_ <= Abort::kEnough;
  }

  [[nodiscard]] HttpResponse take(int status) noexcept {
    response_.status = status;
    return std::move(response_);
  }

 private:
  bool abort(Abort why) noexcept {
    aborted_ = why;
    return false;
  }
  void take_header(std::string_view line);

  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
  bool in_head_ = false;
  Abort aborted_ = Abort::kNone;
};

// Notices that a transfer which may take long stands still.
class StallWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Defaults to not watching.
  StallWatch() = default;
  StallWatch(Time now, std::chrono::milliseconds limit) noexcept
      : limit_(limit), since_(now), next_look_(now + limit / kLooks) {}

  // When to ask stalled() again, so that a stall is noticed within a fraction of the limit.
  [[nodiscard]] Time next_look() const noexcept { return next_look_; }

  // `moved` is any figure that changes with every byte on its way.
  [[nodiscard]] bool stalled(Time now, std::int64_t moved) noexcept {
    if (moved != moved_) since_ = now;
    moved_ = moved;
    next_look_ = now + limit_ / kLooks;
    return now - since_ >= limit_;
  }

 private:
  static constexpr int kLooks = 8;

  std::chrono::nanoseconds limit_{0};
  Time since_{};
  Time next_look_ = Time::max();
  std::int64_t moved_ = 0;
};

// The object and its easy handle are used again for later requests.
struct Transfer {
  UrlHandle target;  // the request's URL, parsed; null unless the handle is set for `request`
  EasyHandle easy;
  TransferId id = 0;
  bool in_multi = false;
  CURLcode result = CURLE_OK;
  HttpRequest request;  // libcurl reads from it until the end, also when it has to send it again
  HeaderChain headers;
  ResponseReader reader;
  std::uint64_t keep = 0;
  StallWatch watch;
  std::optional<std::chrono::milliseconds> timeout;  // the request's own, which `easy` is set for
  std::optional<bool> over_tls;                      // what the scheme's options are set for
  std::array<char, CURL_ERROR_SIZE> error_text{};
};

// For CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION, whose user data is the Transfer.
extern "C" std::size_t postbox_on_header(char* data, std::size_t, std::size_t size,
                                         void* user) noexcept;
extern "C" std::size_t postbox_on_body(char* data, std::size_t, std::size_t size,
                                       void* user) noexcept;

// Move the answer out of a transfer that libcurl has finished, or say why there is none.
[[nodiscard]] std::variant<HttpResponse, TransportFailure> outcome_of(Transfer& transfer) noexcept;

}  // namespace postbox

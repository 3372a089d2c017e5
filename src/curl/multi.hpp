// CurlMulti is libcurl's multi handle, and the one poll() for all of its sockets.
//
// Place:     inside CurlHttpClient: libcurl says which sockets matter, and is told which are ready.
//            curl_multi_perform() would ask the kernel for every transfer's socket, each time. It
//            is used for HTTP/2 all the same: told of sockets only, libcurl 7.88 may forget a
//            stream when the server says goodbye.
// Threads:   the one that drives the client; wake() from any.
// Lifetime:  at a fixed address: libcurl holds a pointer to it. Handles must have left before it
//            dies.
// Failure:   nothing throws.
#pragma once

#include <curl/curl.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "handles.hpp"

namespace postbox {

// libcurl is told which sockets are ready, and need not ask the kernel for each:
// 13 calls of `poll()` a request became 3, and 94 µs of CPU 82 (16 in flight, with everything from
// the outbox on). Over HTTP/2 it asks for each all the same, since libcurl 7.88 forgets a stream
// otherwise when the server says goodbye; a test shows it.
class CurlMulti {
 public:
  // Returns null without memory or descriptors.
  [[nodiscard]] static std::unique_ptr<CurlMulti> make(bool http2) noexcept;

  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;
  ~CurlMulti();

  [[nodiscard]] CURLM* get() const noexcept { return multi_.get(); }

  // Let libcurl do what its timers are due for, such as beginning a transfer that was added.
  void run_timers() noexcept;

  // Wait until a socket is ready, a timer is due, wake() is called, or `left` has passed.
  void wait(std::chrono::nanoseconds left) noexcept;

  // Let libcurl work on the sockets that wait() found ready.
  void run_sockets() noexcept;

  // Bytes that the kernel has taken from `easy` and the other side has not acknowledged. Zero over
  // HTTP/2, where a socket belongs to many.
  [[nodiscard]] std::int64_t unacknowledged(const CURL* easy) const noexcept;

  // Ends one wait(): the one under way, or the next.
  void wake() noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;

  CurlMulti(MultiHandle multi, int wake_descriptor, bool http2);

  static int on_socket(CURL* easy, curl_socket_t socket, int wanted, void* self, void*) noexcept;
  static int on_timer(CURLM*, long milliseconds, void* self) noexcept;
  void watch(const CURL* easy, curl_socket_t socket, int wanted);
  void perform() noexcept;
  void await_sockets(int timeout_ms) noexcept;

  const bool performs_all_;
  const int wake_;                  // an eventfd
  std::vector<pollfd> sockets_;     // the first is wake()'s
  std::vector<const CURL*> users_;  // of sockets_, at the same places
  std::vector<pollfd> ready_;
  std::optional<Time> timer_;
  MultiHandle multi_;  // dies first: it calls on_socket()
};

}  // namespace postbox

// HttpServer runs the routes on 127.0.0.1, on threads of its own.
//
// Place:     around Routes; started and stopped by main().
// Threads:   start() and stop() from one thread.
// Lifetime:  the routes must outlive it.
// Failure:   start() returns nothing when the port is taken.
#pragma once

#include <httplib.h>

#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "routes.hpp"

namespace checkout {

class HttpServer {
 public:
  explicit HttpServer(Routes& routes);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listen on `port`, or on a free one when it is zero. Returns the port.
  [[nodiscard]] std::optional<int> start(int port);

  // Take no more connections; those that are open end by themselves, see wait().
  void stop();

  // Wait until every connection has ended. False when `deadline` came first.
  [[nodiscard]] bool wait(std::chrono::steady_clock::time_point deadline);

 private:
  httplib::Server server_;
  int listening_socket_ = -1;
  std::promise<void> ended_;
  std::thread thread_;
};

}  // namespace checkout

#include "http_server.hpp"

#include <sys/socket.h>

namespace checkout {
namespace {

// A connection occupies a thread while it lasts, idle or not; one that waits costs next to nothing.
constexpr std::size_t kThreads = 128;
constexpr int kBacklog = 1024;
constexpr std::size_t kLargestBody = 16U << 20U;

}  // namespace

HttpServer::HttpServer(Routes& routes) {
  server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // An answer is written in two pieces; without this the second waits 40 ms for the client's ACK.
  server_.set_tcp_nodelay(true);
  // An idle connection gives its thread back after a second, and so does not hold up stop() either.
  server_.set_keep_alive_timeout(1);
  server_.set_keep_alive_max_count(100'000);
  server_.set_payload_max_length(kLargestBody);
  // Instead of the default, SO_REUSEPORT, with which a second server on the port goes unnoticed and
  // takes every other request.
  server_.set_socket_options([this](int socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    listening_socket_ = socket;
  });
  routes.install(server_);
}

HttpServer::~HttpServer() {
  stop();
  if (thread_.joinable()) thread_.join();
}

std::optional<int> HttpServer::start(int port) {
  const char* host = "127.0.0.1";
  const int bound = port == 0                          ? server_.bind_to_any_port(host)
                    : server_.bind_to_port(host, port) ? port
                                                       : -1;
  if (bound <= 0) return std::nullopt;
  // The library's backlog is five: a sixth customer in the same instant would wait a second.
  ::listen(listening_socket_, kBacklog);
  thread_ = std::thread([this] {
    server_.listen_after_bind();
    ended_.set_value();
  });
  // stop() has no effect before the loop runs.
  while (!server_.is_running()) std::this_thread::yield();
  return bound;
}

void HttpServer::stop() { server_.stop(); }

bool HttpServer::wait(std::chrono::steady_clock::time_point deadline) {
  const auto ended = ended_.get_future();
  return ended.wait_until(deadline) == std::future_status::ready;
}

}  // namespace checkout

// LoopbackServer is a raw-socket HTTP/1.1 server on 127.0.0.1 whose every answer is written by the
// test: a script runs for each connection, on a thread of its own, and may do to it what it likes.
//
// Place:     tests that need the network to misbehave.
// Threads:   scripts run concurrently; what they share with the test must be atomic or locked.
// Lifetime:  the destructor interrupts every script's blocking call and joins its thread; a script
//            that waits for something else must be released by the test before.
// Failure:   a call on a broken connection returns nothing or false; set-up problems throw.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace postbox::test {

struct ReceivedRequest {
  std::string head;  // request line and headers, without the empty line
  std::string body;

  [[nodiscard]] bool has(std::string_view text) const {
    return head.find(text) != std::string::npos;
  }
};

class Connection {
 public:
  // What a connection's bytes pass through, such as TLS. Returns like recv() and send().
  struct Layer {
    virtual ~Layer() = default;
    virtual ssize_t read(char* data, std::size_t size) = 0;
    virtual ssize_t write(const char* data, std::size_t size) = 0;
  };

  Connection(int fd, int number) : fd_(fd), number_(number) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] int number() const { return number_; }  // counts from 1
  void put_on(std::unique_ptr<Layer> layer) { layer_ = std::move(layer); }

  // Return the next request, or nothing when the peer has gone.
  std::optional<ReceivedRequest> read_request() {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return std::nullopt;
    }
    ReceivedRequest request{input_.substr(0, end), {}};
    input_.erase(0, end + 4);
    const std::size_t length = content_length(request.head);
    while (input_.size() < length) {
      if (!read_some()) return std::nullopt;
    }
    request.body = input_.substr(0, length);
    input_.erase(0, length);
    return request;
  }

  // Wait for any bytes; false when the peer has gone.
  bool read_some() {
    std::array<char, 16384> buffer;
    const ssize_t got = layer_ ? layer_->read(buffer.data(), buffer.size())
                               : ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    input_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }

  // Return what has been read and not been used.
  std::string take_input() { return std::exchange(input_, {}); }

  // Read and drop until the peer closes the connection or resets it.
  void wait_for_close() {
    while (read_some()) input_.clear();
  }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = layer_ ? layer_->write(text.data(), text.size())
                                  : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Send `text` every few milliseconds until the peer closes the connection.
  void drip(std::string_view text) {
    pollfd peer{fd_, POLLIN, 0};
    while (::poll(&peer, 1, 5) == 0 && send(text)) {
    }
  }

  // Send a FIN and keep on reading.
  void half_close() { ::shutdown(fd_, SHUT_WR); }

  // Close with a RST.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // From another thread: end what the script is blocked in.
  void interrupt() {
    const std::lock_guard lock(mutex_);
    if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
  }

 private:
  static std::size_t content_length(std::string_view head) {
    constexpr std::string_view kName = "Content-Length: ";
    const auto at = head.find(kName);
    return at == std::string_view::npos ? 0
                                        : std::stoul(std::string(head.substr(at + kName.size())));
  }

  std::mutex mutex_;  // only between close() and interrupt()
  std::atomic<int> fd_;
  const int number_;
  std::unique_ptr<Layer> layer_;
  std::string input_;
};

class LoopbackServer {
 public:
  using Script = std::function<void(Connection&)>;

  explicit LoopbackServer(Script script, int backlog = 128) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, any, size) != 0 || ::listen(listener_, backlog) != 0 ||
        ::getsockname(listener_, any, &size) != 0) {
      throw std::runtime_error("no loopback listener");
    }
    port_ = ntohs(address.sin_port);
    if (script_) acceptor_ = std::thread([this] { accept_all(); });
  }

  ~LoopbackServer() {
    ::shutdown(listener_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    ::close(listener_);
    for (auto& served : served_) served->connection.interrupt();
    for (auto& served : served_) served->thread.join();
  }

  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url(std::string_view path = "/") const {
    return "http://" + authority() + std::string(path);
  }
  [[nodiscard]] std::string tls_url(std::string_view path = "/") const {
    return "https://" + authority() + std::string(path);
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  struct Served {
    Served(int fd, int number) : connection(fd, number) {}
    Connection connection;
    std::thread thread;
  };

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      auto& served = *served_.emplace_back(std::make_unique<Served>(fd, ++connections_));
      served.thread = std::thread([this, &served] {
        script_(served.connection);
        served.connection.close();
      });
    }
  }

  const Script script_;  // none: nobody accepts
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::vector<std::unique_ptr<Served>> served_;  // of the acceptor until it has been joined
  std::thread acceptor_;
};

[[nodiscard]] inline std::string http_answer(std::string_view body, std::string_view headers = {},
                                             std::string_view status = "200 OK") {
  std::string text = "HTTP/1.1 ";
  text.append(status).append("\r\n").append(headers);
  text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  return text.append(body);
}

// A script that gives `answer` to every request of a connection.
[[nodiscard]] inline LoopbackServer::Script always(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    while (connection.read_request()) {
      if (!connection.send(answer)) return;
    }
  };
}

// A script that gives `answer` to the first request and then closes the connection.
[[nodiscard]] inline LoopbackServer::Script once(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    if (connection.read_request()) connection.send(answer);
  };
}

}  // namespace postbox::test

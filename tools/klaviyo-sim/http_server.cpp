#include "http_server.hpp"

#include <fcntl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "connection.hpp"

namespace sim {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// A program that a test starts would keep the socket open, and its reset from its peer.
void close_on_exec(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

}  // namespace

class Server::Listener {
 public:
  explicit Listener(Simulator& simulator) : simulator_(simulator) {}

  int start(int port) {
    const tcp::endpoint wanted(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
    error_code error;
    acceptor_.open(wanted.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(wanted, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return 0;
    close_on_exec(acceptor_.native_handle());
    const int bound = acceptor_.local_endpoint(error).port();
    accept_next();
    thread_ = std::thread([this] { context_.run(); });
    return bound;
  }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      error_code error;
      for (Served& served : served_) served.socket.shutdown(tcp::socket::shutdown_both, error);
    }
    stopped_.notify_all();
    context_.stop();
    if (thread_.joinable()) thread_.join();
    for (Served& served : served_) served.thread.join();
    served_.clear();
  }

  void wait(std::chrono::milliseconds delay) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, delay, [this] { return stopping_; });
  }

 private:
  struct Served {
    explicit Served(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
    std::thread thread;
    bool ended = false;
  };

  void accept_next() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      error ? wait(kAfterFailedAccept) : serve(std::move(socket));
      accept_next();
    });
  }

  void serve(tcp::socket socket) {
    close_on_exec(socket.native_handle());
    error_code error;
    socket.set_option(tcp::no_delay(true), error);
    std::list<Served> ended;
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    for (auto it = served_.begin(); it != served_.end();) {
      const auto next = std::next(it);
      if (it->ended) ended.splice(ended.end(), served_, it);
      it = next;
    }
    for (Served& done : ended) done.thread.join();
    Served& served = served_.emplace_back(std::move(socket));
    served.thread = std::thread([this, &served] { run(served); });
  }

  void run(Served& served) {
    simulator_.count_connection();
    Connection connection(served.socket);
    while (const auto request = connection.read()) {
      if (!connection.answer(simulator_.handle(*request))) break;
    }
    // Under the lock: end() shuts down what is open.
    const std::lock_guard lock(mutex_);
    error_code error;
    served.socket.close(error);
    served.ended = true;
  }

  static constexpr std::chrono::milliseconds kAfterFailedAccept{10};  // no descriptors are left

  Simulator& simulator_;
  asio::io_context context_;
  tcp::acceptor acceptor_{context_};
  std::thread thread_;  // runs context_

  std::mutex mutex_;
  std::condition_variable stopped_;
  // Guarded by mutex_.
  std::list<Served> served_;
  bool stopping_ = false;
};

Server::Server() = default;

Server::~Server() { stop(); }

int Server::start(ServerOptions options) {
  stop();
  // The listener is made after the simulator that uses it to wait.
  options.simulator.wait = [this](std::chrono::milliseconds delay) { listener_->wait(delay); };
  simulator_ = std::make_unique<Simulator>(std::move(options.simulator));
  listener_ = std::make_unique<Listener>(*simulator_);
  const int port = listener_->start(options.port);
  if (port == 0) listener_.reset();
  return port;
}

void Server::stop() {
  if (!listener_) return;
  listener_->end();
  listener_.reset();
}

Simulator& Server::simulator() { return *simulator_; }

}  // namespace sim

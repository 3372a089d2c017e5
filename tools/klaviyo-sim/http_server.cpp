#include "http_server.hpp"

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "connection.hpp"

namespace sim {
namespace {

constexpr std::size_t kConnectionThreads = 128;
constexpr std::size_t kMaxReceivedBytes = 64U << 20U;
constexpr std::chrono::seconds kKeepAliveTimeout{60};
constexpr std::chrono::seconds kReadTimeout{30};

// httplib would parse a form body itself and refuse a long one; under this name it does not.
constexpr const char* kHiddenContentType = "x-sim-content-type";

// The connection that this thread serves: a handler of httplib does not get it.
thread_local Connection* current_connection = nullptr;

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void prepare(httplib::Request& request) {
  const auto type = request.headers.find("Content-Type");
  if (type != request.headers.end()) {
    const std::string value = type->second;
    request.headers.erase("Content-Type");
    request.headers.emplace(kHiddenContentType, value);
  }
  // Without a length httplib reads the body until the peer closes; it has none.
  if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
    request.headers.emplace("Content-Length", "0");
  }
}

Request read_request(const httplib::Request& received) {
  Request request;
  request.method = received.method;
  request.path = received.path;
  request.body = received.body;
  request.query.insert(received.params.begin(), received.params.end());
  for (const auto& [name, value] : received.headers) {
    request.headers.emplace(lower_case(name), value);
  }
  const auto type = request.headers.find(kHiddenContentType);
  if (type != request.headers.end()) request.headers["content-type"] = type->second;
  return request;
}

void fill_answer(const Response& response, httplib::Response& answer) {
  answer.status = response.status;
  for (const auto& [name, value] : response.headers) {
    answer.headers.emplace(name, value);
  }
  answer.body = response.body;
  if (response.delivery == Delivery::kTruncated && answer.body.empty()) {
    answer.body.assign(64, ' ');  // there must be something to cut
  }
  if (!response.content_type.empty()) answer.headers.emplace("Content-Type", response.content_type);
  if (current_connection != nullptr) current_connection->set_delivery(response.delivery);
}

// What httplib itself refuses: a head that it cannot read, a body beyond every limit.
void explain_refusal(const httplib::Request&, httplib::Response& answer) {
  if (!answer.body.empty()) return;
  Problem problem = invalid("/data", "The request could not be read.");
  problem.status = answer.status;
  fill_answer(problem_response({problem}), answer);
}

}  // namespace

class Server::Listener : public httplib::Server {
 public:
  explicit Listener(Simulator& simulator) : simulator_(simulator) {
    new_task_queue = [] { return new httplib::ThreadPool(kConnectionThreads); };
    set_payload_max_length(kMaxReceivedBytes);
    set_tcp_nodelay(true);
    // What the Keep-Alive header promises; serve() keeps the first half of it.
    set_keep_alive_timeout(kKeepAliveTimeout.count());
    set_keep_alive_max_count(1'000'000);
    // httplib's default also shares the port, which would hide a second simulator on it.
    set_socket_options([](socket_t fd) {
      const int yes = 1;
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const Handler handler = [this](const httplib::Request& request, httplib::Response& answer) {
      fill_answer(simulator_.handle(read_request(request)), answer);
    };
    const char* any = ".*";
    Get(any, handler).Post(any, handler).Put(any, handler).Patch(any, handler);
    Delete(any, handler).Options(any, handler);
    set_error_handler(explain_refusal);
  }

  int start(int port) {
    const char* host = "127.0.0.1";
    const int bound = port == 0 ? bind_to_any_port(host) : (bind_to_port(host, port) ? port : -1);
    if (bound <= 0) return 0;
    thread_ = std::thread([this] {
      listen_after_bind();
      ended_ = true;
    });
    // stop() before httplib's loop runs would be lost.
    while (!is_running() && !ended_) std::this_thread::yield();
    return bound;
  }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    stopped_.notify_all();
    if (!thread_.joinable()) return;
    stop();
    thread_.join();
  }

  void wait(std::chrono::milliseconds delay) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, delay, [this] { return stopping_; });
  }

 private:
  bool process_and_close_socket(socket_t fd) override {
    if (enter(fd)) {
      simulator_.count_connection();
      serve(fd);
    }
    leave(fd);
    return true;
  }

  // False when the server is stopping.
  bool enter(int fd) {
    const std::lock_guard lock(mutex_);
    if (!stopping_) open_.insert(fd);
    return !stopping_;
  }

  // The close is under the lock: a number that end() shuts down must still be this socket.
  void leave(int fd) {
    const std::lock_guard lock(mutex_);
    open_.erase(fd);
    ::close(fd);
  }

  void serve(int fd) {
    Connection connection(fd, kReadTimeout);
    current_connection = &connection;
    while (connection.wait_for_request(kKeepAliveTimeout)) {
      bool closed = false;
      connection.set_delivery(Delivery::kWhole);
      const bool handled = process_request(connection, false, closed, prepare);
      const bool sent = connection.finish_answer();
      if (!handled || !sent || closed) break;
    }
    current_connection = nullptr;
    if (connection.delivery() == Delivery::kReset) {
      connection.abort();
    } else {
      ::shutdown(fd, SHUT_WR);
    }
  }

  Simulator& simulator_;
  std::thread thread_;
  std::atomic<bool> ended_{false};

  std::mutex mutex_;
  std::condition_variable stopped_;
  // Guarded by mutex_.
  std::set<int> open_;
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

#include "connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace sim {
namespace {

// An answer longer than this is not held back; none of the simulator's faults needs it.
constexpr std::size_t kMaxHeldOutput = 64U << 20U;

bool wait_readable(int fd, std::chrono::milliseconds timeout) {
  pollfd entry{fd, POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace

Connection::Connection(int fd, std::chrono::seconds read_timeout)
    : fd_(fd), read_timeout_(read_timeout), input_() {}

bool Connection::wait_for_request(std::chrono::seconds timeout) {
  return has_input() || (wait_readable(fd_, timeout) && fill());
}

bool Connection::finish_answer() {
  std::string answer;
  answer.swap(output_);
  if (delivery_ == Delivery::kReset) return false;
  if (delivery_ == Delivery::kWhole) return send_all(answer.data(), answer.size());
  constexpr std::string_view kEndOfHead = "\r\n\r\n";
  const std::size_t body = std::min(answer.find(kEndOfHead), answer.size() - kEndOfHead.size());
  const std::size_t head_size = body + kEndOfHead.size();
  send_all(answer.data(), head_size + (answer.size() - head_size) / 2);
  return false;
}

void Connection::abort() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool Connection::is_readable() const { return has_input() || wait_readable(fd_, read_timeout_); }

ssize_t Connection::read(char* data, size_t size) {
  if (!has_input()) {
    // "100 Continue" must be on its way before its body is waited for.
    if (!output_.empty() && !send_all(output_.data(), output_.size())) return -1;
    output_.clear();
    if (!wait_readable(fd_, read_timeout_)) return -1;
    if (!fill()) return 0;
  }
  const std::size_t count = std::min(size, end_ - begin_);
  std::copy_n(input_.data() + begin_, count, data);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, size_t size) {
  output_.append(data, size);
  if (output_.size() > kMaxHeldOutput) {
    if (!send_all(output_.data(), output_.size())) return -1;
    output_.clear();
  }
  return static_cast<ssize_t>(size);
}

// The simulator listens on the loopback only and never looks at these.
void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = "127.0.0.1";
  port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip = "127.0.0.1";
  port = 0;
}

bool Connection::fill() {
  ssize_t count = 0;
  do {
    count = ::recv(fd_, input_.data(), input_.size(), 0);
  } while (count < 0 && errno == EINTR);
  begin_ = 0;
  end_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  return count > 0;
}

bool Connection::send_all(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(fd_, data, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace sim

#include "multi.hpp"

#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <exception>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

int to_poll_milliseconds(nanoseconds wait) noexcept {
  // Rounded up: rounded down, the last millisecond of a wait would be spent spinning.
  const auto rounded = std::chrono::ceil<milliseconds>(wait).count();
  return static_cast<int>(std::clamp<std::int64_t>(rounded, 0, INT_MAX));
}

short events_of(int wanted) noexcept {
  unsigned events = 0;
  if (wanted == CURL_POLL_IN || wanted == CURL_POLL_INOUT) events |= POLLIN;
  if (wanted == CURL_POLL_OUT || wanted == CURL_POLL_INOUT) events |= POLLOUT;
  return static_cast<short>(events);
}

int selection_of(int revents) noexcept {
  unsigned selection = 0;
  if ((revents & (POLLIN | POLLHUP)) != 0) selection |= CURL_CSELECT_IN;
  if ((revents & POLLOUT) != 0) selection |= CURL_CSELECT_OUT;
  if ((revents & (POLLERR | POLLNVAL)) != 0) selection |= CURL_CSELECT_ERR;
  return static_cast<int>(selection);
}

// A wait that fails, for want of memory, must not become spinning.
void wait_a_little(int timeout_ms) noexcept { (void)::poll(nullptr, 0, std::min(timeout_ms, 10)); }

}  // namespace

std::unique_ptr<CurlMulti> CurlMulti::make(bool http2) noexcept try {
  MultiHandle multi(curl_multi_init());
  if (!multi) return nullptr;
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return nullptr;
  return std::unique_ptr<CurlMulti>(new CurlMulti(std::move(multi), wake, http2));
} catch (const std::exception&) {
  return nullptr;
}

CurlMulti::CurlMulti(MultiHandle multi, int wake_descriptor, bool http2)
    : performs_all_(http2),
      wake_(wake_descriptor),
      sockets_{{.fd = wake_descriptor, .events = POLLIN, .revents = 0}},
      users_{nullptr},
      multi_(std::move(multi)) {
  if (performs_all_) return;
  curl_multi_setopt(get(), CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(get(), CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(get(), CURLMOPT_TIMERDATA, this);
}

CurlMulti::~CurlMulti() {
  multi_.reset();
  ::close(wake_);
}

void CurlMulti::perform() noexcept {
  int running = 0;
  curl_multi_perform(get(), &running);
}

void CurlMulti::run_timers() noexcept {
  if (performs_all_) return perform();
  if (!timer_ || *timer_ > steady_clock::now()) return;
  timer_.reset();
  int running = 0;
  curl_multi_socket_action(get(), CURL_SOCKET_TIMEOUT, 0, &running);
}

void CurlMulti::wait(nanoseconds left) noexcept {
  if (timer_) left = std::min<nanoseconds>(left, *timer_ - steady_clock::now());
  await_sockets(to_poll_milliseconds(left));
  if (sockets_.front().revents == 0) return;
  std::uint64_t wakes = 0;
  (void)!::read(wake_, &wakes, sizeof wakes);
}

void CurlMulti::await_sockets(int timeout_ms) noexcept {
  ready_.clear();
  sockets_.front().revents = 0;
  if (performs_all_) {
    curl_waitfd wake{.fd = wake_, .events = CURL_WAIT_POLLIN, .revents = 0};
    const CURLMcode result = curl_multi_poll(get(), &wake, 1, timeout_ms, nullptr);
    sockets_.front().revents = wake.revents;
    if (result != CURLM_OK) wait_a_little(timeout_ms);
    return;
  }
  POSTBOX_ASSERT(ready_.capacity() + 1 >= sockets_.size());
  const auto count = static_cast<nfds_t>(sockets_.size());
  const int ready = ::poll(sockets_.data(), count, timeout_ms);
  if (ready < 0 && errno != EINTR) wait_a_little(timeout_ms);
  if (ready <= 0) return;
  // on_socket() has made room for all of them.
  for (std::size_t i = 1; i < sockets_.size(); ++i) {
    if (sockets_[i].revents != 0) ready_.push_back(sockets_[i]);
  }
}

// libcurl may close and open sockets meanwhile; one that it does not know it ignores.
void CurlMulti::run_sockets() noexcept {
  if (performs_all_) return perform();
  int running = 0;
  for (std::size_t i = 0; i < ready_.size(); ++i) {  // ready_ may move: on_socket() reserves
    const pollfd socket = ready_[i];
    curl_multi_socket_action(get(), socket.fd, selection_of(socket.revents), &running);
  }
  ready_.clear();
}

void CurlMulti::wake() noexcept {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

std::int64_t CurlMulti::unacknowledged(const CURL* easy) const noexcept {
  std::int64_t sum = 0;
  for (std::size_t i = 1; i < sockets_.size(); ++i) {
    int bytes = 0;
    if (users_[i] == easy && ::ioctl(sockets_[i].fd, SIOCOUTQ, &bytes) == 0) sum += bytes;
  }
  return sum;
}

int CurlMulti::on_socket(CURL* easy, curl_socket_t socket, int wanted, void* self, void*) noexcept {
  try {
    static_cast<CurlMulti*>(self)->watch(easy, socket, wanted);
    return 0;
  } catch (const std::exception&) {
    return -1;  // out of memory: libcurl ends what it was about to do
  }
}

int CurlMulti::on_timer(CURLM*, long after, void* self) noexcept {
  auto& timer = static_cast<CurlMulti*>(self)->timer_;
  timer.reset();
  if (after >= 0) timer = steady_clock::now() + milliseconds(after);
  return 0;
}

void CurlMulti::watch(const CURL* easy, curl_socket_t socket, int wanted) {
  const auto found = std::find_if(sockets_.begin() + 1, sockets_.end(),
                                  [socket](const pollfd& known) { return known.fd == socket; });
  const auto place = static_cast<std::size_t>(found - sockets_.begin());
  POSTBOX_ASSERT(users_.size() == sockets_.size());
  if (wanted == CURL_POLL_REMOVE) {
    if (found == sockets_.end()) return;
    POSTBOX_ASSERT(place > 0);  // the wake-up stays
    users_[place] = users_.back();
    *found = sockets_.back();
    users_.pop_back();
    sockets_.pop_back();
    return;
  }
  if (found != sockets_.end()) {
    users_[place] = easy;
    found->events = events_of(wanted);
    return;
  }
  ready_.reserve(sockets_.size());
  users_.reserve(sockets_.size() + 1);
  sockets_.push_back({.fd = socket, .events = events_of(wanted), .revents = 0});
  users_.push_back(easy);
}

}  // namespace postbox

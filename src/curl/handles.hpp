// Owners for what libcurl hands out, and the small guards that its callers need.
//
// Place:     used by curl_http_client.cpp alone.
// Threads:   each object from one thread at a time.
// Lifetime:  exactly one owner per handle; HeaderChain borrows the strings it is built from.
// Failure:   a handle that could not be made is null; HeaderChain::rebuild throws std::bad_alloc.
#pragma once

#include <curl/curl.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace postbox {

struct EasyCleanup {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct UrlCleanup {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using EasyHandle = std::unique_ptr<CURL, EasyCleanup>;
using MultiHandle = std::unique_ptr<CURLM, MultiCleanup>;
using UrlHandle = std::unique_ptr<CURLU, UrlCleanup>;

// Sets options on an easy handle and remembers the first refusal.
class EasyOptions {
 public:
  explicit EasyOptions(CURL* easy) noexcept : easy_(easy) {}

  template <class Value>
  EasyOptions& set(CURLoption option, Value value) noexcept {
    const CURLcode result = curl_easy_setopt(easy_, option, value);
    if (first_failure_ == CURLE_OK) first_failure_ = result;
    return *this;
  }

  [[nodiscard]] CURLcode result() const noexcept { return first_failure_; }

 private:
  CURL* easy_;
  CURLcode first_failure_ = CURLE_OK;
};

// The header list of one transfer. Its nodes point into the request's own strings, so a transfer
// needs no copy of its headers, and nothing has to be freed with curl_slist_free_all.
class HeaderChain {
 public:
  // `lines` must outlive the transfer and must not change meanwhile.
  void rebuild(std::vector<std::string>& lines) {
    nodes_.clear();
    nodes_.reserve(lines.size() + 1);
    for (std::string& line : lines) nodes_.push_back(curl_slist{line.data(), nullptr});
    nodes_.push_back(curl_slist{no_expect_.data(), nullptr});
    for (std::size_t i = 1; i < nodes_.size(); ++i) nodes_[i - 1].next = &nodes_[i];
  }

  [[nodiscard]] curl_slist* head() noexcept { return nodes_.data(); }

 private:
  std::vector<curl_slist> nodes_;
  // Without this libcurl waits up to a second for "100 Continue" before it sends a large body.
  std::string no_expect_ = "Expect:";
};

// Keeps SIGPIPE away from the host while libcurl or OpenSSL write to sockets, whichever thread they
// run on, without touching the host's handler (pitfall P17). One system call where SIGPIPE is
// blocked already, as on the sender thread; three elsewhere.
class SigpipeGuard {
 public:
  SigpipeGuard() noexcept {
    sigset_t before;
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    blocked_here_ =
        pthread_sigmask(SIG_BLOCK, &sigpipe_, &before) == 0 && sigismember(&before, SIGPIPE) == 0;
  }

  // SIGPIPE could not be pending while this thread did not block it: one that is pending now came
  // from a write under this guard.
  ~SigpipeGuard() {
    if (!blocked_here_) return;
    const int saved_errno = errno;
    constexpr timespec kNoWait{};
    while (sigtimedwait(&sigpipe_, nullptr, &kNoWait) == -1 && errno == EINTR) {
    }
    pthread_sigmask(SIG_UNBLOCK, &sigpipe_, nullptr);
    errno = saved_errno;
  }

  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t sigpipe_;
  bool blocked_here_ = false;
};

}  // namespace postbox

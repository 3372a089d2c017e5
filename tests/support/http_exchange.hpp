// Short ways to put requests through an HttpClient in a test.
//
// Place:     tests of CurlHttpClient, beside LoopbackServer.
// Threads:   the functions from the thread that drives the client; Inbox from any thread.
// Lifetime:  an Inbox must outlive the server that fills it.
// Failure:   an outcome other than the expected one fails the running test.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <postbox/http_client.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "loopback_server.hpp"

namespace postbox::test {

inline constexpr std::chrono::seconds kPatience{200};

inline std::shared_ptr<HttpClient> make_client(HttpOptions options = {}) {
  auto client = curl_http_client(options);
  EXPECT_TRUE(client) << client.error().message;
  return client.value();
}

inline HttpRequest post(std::string url, std::string body = "{}") {
  return HttpRequest{std::move(url), {"Content-Type: application/json"}, std::move(body)};
}

// Polls until `count` transfers have been reported or patience ends.
inline std::map<TransferId, HttpCompletion> finish(HttpClient& client, std::size_t count) {
  std::map<TransferId, HttpCompletion> all;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (all.size() < count && std::chrono::steady_clock::now() < deadline) {
    for (auto& completion : client.poll(kPatience)) {
      const TransferId id = completion.id;
      EXPECT_TRUE(all.emplace(id, std::move(completion)).second) << "reported twice";
    }
  }
  EXPECT_EQ(all.size(), count);
  return all;
}

inline HttpCompletion exchange(HttpClient& client, HttpRequest request) {
  const auto id = client.start(std::move(request));
  EXPECT_TRUE(id) << id.error().message;
  auto all = finish(client, 1);
  return all.empty() ? HttpCompletion{} : std::move(all.begin()->second);
}

inline HttpResponse response_to(HttpClient& client, HttpRequest request) {
  HttpCompletion completion = exchange(client, std::move(request));
  if (const auto* failure = std::get_if<TransportFailure>(&completion.outcome)) {
    ADD_FAILURE() << "no answer: " << failure->detail;
    return {};
  }
  return std::get<HttpResponse>(completion.outcome);
}

inline TransportFailure failure_of(HttpClient& client, HttpRequest request) {
  HttpCompletion completion = exchange(client, std::move(request));
  if (std::holds_alternative<HttpResponse>(completion.outcome)) {
    ADD_FAILURE() << "an answer arrived";
    return {};
  }
  return std::get<TransportFailure>(completion.outcome);
}

// Collects what the server's connections have read.
class Inbox {
 public:
  LoopbackServer::Script answering(std::string answer) {
    return [this, answer = std::move(answer)](Connection& connection) {
      while (auto request = connection.read_request()) {
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(*std::move(request));
        }
        if (!connection.send(answer)) return;
      }
    };
  }
  std::vector<ReceivedRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::vector<ReceivedRequest> requests_;
};

// Sockets that fill the backlog of a listener nobody accepts from: later connects get no answer.
class FullListener {
 public:
  FullListener() : server_(nullptr, 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server_.port());
    for (int& fd : fds_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    }
  }
  ~FullListener() {
    for (const int fd : fds_) ::close(fd);
  }
  [[nodiscard]] std::string url() const { return server_.url(); }

 private:
  LoopbackServer server_;
  std::array<int, 4> fds_{};
};

}  // namespace postbox::test

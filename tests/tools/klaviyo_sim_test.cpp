// The local Klaviyo over real HTTP on the loopback.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http_server.hpp"
#include "request_target.hpp"
#include "support/klaviyo_sim_requests.hpp"

namespace sim {
namespace {

using namespace std::chrono_literals;

const httplib::Headers kHeaders = {{"Authorization", "Klaviyo-API-Key pk_test"},
                                   {"revision", "2026-10-15"}};

std::string order(const std::string& unique_id) {
  Json attributes = event_attributes();
  attributes["unique_id"] = unique_id;
  return to_text(event(attributes));
}

httplib::Headers with(const std::string& name, const std::string& value) {
  httplib::Headers headers = kHeaders;
  headers.erase(name);
  if (!value.empty()) headers.emplace(name, value);
  return headers;
}

// A client that shows what the kernel says, which httplib's does not.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(const std::string& text) {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  void post(const std::string& path, const std::string& body) {
    send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" +
         "Authorization: Klaviyo-API-Key pk_test\r\nrevision: 2026-10-15\r\n" +
         "Content-Type: application/vnd.api+json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  void end() { ::shutdown(fd_, SHUT_WR); }

  std::string read(std::size_t bytes) {
    std::string text(bytes, ' ');
    EXPECT_EQ(::recv(fd_, text.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
    return text;
  }

  // Reads until the server closes. error() is then 0, or the errno of the failed read.
  std::string read_all() {
    std::string text;
    char data[4096];
    ssize_t count = 0;
    while ((count = ::recv(fd_, data, sizeof data, 0)) > 0) {
      text.append(data, static_cast<std::size_t>(count));
    }
    error_ = count < 0 ? errno : 0;
    return text;
  }

  int error() const { return error_; }

 private:
  int fd_;
  int error_ = 0;
};

class SimServer : public ::testing::Test {
 protected:
  SimServer() {
    ServerOptions options;
    options.simulator.keys = {"pk_test", "pk_other"};
    options.simulator.limits = false;
    port_ = server_.start(options);
    client_ = std::make_unique<httplib::Client>("127.0.0.1", port_);
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
    client_->set_read_timeout(60s);  // a sanitizer makes five megabytes slow
  }

  int post(const std::string& path, const httplib::Headers& headers, const std::string& body,
           const std::string& type = kJsonApiType) {
    const auto result = client_->Post(path, headers, body, type);
    return result ? result->status : 0;
  }

  void set_faults(const char* script) {
    ASSERT_EQ(server_.simulator().set_faults(script), std::nullopt);
  }

  Server server_;
  int port_ = 0;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(SimServer, TheKeyIsChecked) {
  const auto status = [&](const std::string& value) {
    return post("/api/events", with("Authorization", value), order("1"));
  };
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Bearer pk_test"), 401);
  EXPECT_EQ(status("Klaviyo-API-Key pk_wrong"), 401);
  EXPECT_EQ(status("Klaviyo-API-Key AbC123"), 401);
  EXPECT_EQ(status("Klaviyo-API-Key pk_other"), 202);
  const auto result = client_->Post("/api/events", with("Authorization", ""), "", kJsonApiType);
  EXPECT_EQ((*parse_json(result->body).value)["errors"][0]["code"], "not_authenticated");
}

TEST_F(SimServer, TheRevisionIsChecked) {
  const auto status = [&](const std::string& value) {
    return post("/api/events", with("revision", value), order("1"));
  };
  for (const char* bad : {"", "2026-7-15", "latest", "2026-07-15x", "2026-13-01"}) {
    EXPECT_EQ(status(bad), 400) << bad;
  }
  for (const char* good : {"2025-01-15", "2026-10-15", "2026-10-15.pre"}) {
    EXPECT_EQ(status(good), 202) << good;
  }
}

TEST_F(SimServer, ARetiredRevisionFallsForwardOrIsGone) {
  httplib::Headers headers = with("revision", "2024-10-15");
  EXPECT_EQ(post("/api/events", headers, order("1")), 202);
  headers.emplace("X-Klaviyo-Revision-Fall-Forward-Opt-Out", "1");
  EXPECT_EQ(post("/api/events", headers, order("2")), 410);
}

TEST_F(SimServer, TheContentTypeIsChecked) {
  const auto status = [&](const std::string& type) {
    return post("/api/events", kHeaders, order("1"), type);
  };
  EXPECT_EQ(status("application/vnd.api+json"), 202);
  EXPECT_EQ(status("application/vnd.api+json; charset=utf-8"), 202);
  EXPECT_EQ(status("application/json"), 415);
  EXPECT_EQ(status("application/x-www-form-urlencoded"), 415);
  EXPECT_EQ(status("multipart/form-data; boundary=x"), 415);
  EXPECT_EQ(post("/api/events", with("User-Agent", "klaviyo-api-node/23.0.0"), order("1"),
                 "application/json"),
            202);
}

TEST_F(SimServer, UnknownTargetsAreJsonApiErrors) {
  const auto expect = [](const httplib::Result& result, int status) {
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, status);
    EXPECT_EQ(result->get_header_value("Content-Type"), kJsonApiType);
    EXPECT_EQ((*parse_json(result->body).value)["errors"][0]["status"], status);
  };
  expect(client_->Get("/", kHeaders), 404);
  expect(client_->Get("/api/nothing", kHeaders), 404);
  expect(client_->Delete("/api/events", kHeaders), 405);
  expect(client_->Patch("/api/events", kHeaders, "{}", kJsonApiType), 405);
  expect(client_->Get("/api/event-bulk-create-jobs", kHeaders), 405);
}

TEST_F(SimServer, ABodyAtTheLimitArrivesWhole) {
  std::string body = order("1");
  body.append(5'000'000 - body.size(), ' ');
  EXPECT_EQ(post("/api/events", kHeaders, body), 202);
  EXPECT_EQ(post("/api/events", kHeaders, body + " "), 413);
}

TEST_F(SimServer, LinksLeadThroughAllPages) {
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(post("/api/events", kHeaders, order(std::to_string(i))), 202);
  std::string target = "/api/events/?page[size]=2&include=metric";
  std::vector<std::string> ids;
  int pages = 0;
  while (!target.empty()) {
    const auto result = client_->Get(target, kHeaders);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->status, 200) << result->body;
    const Json page = *parse_json(result->body).value;
    for (const Json& item : page["data"]) {
      ids.push_back(item["attributes"]["event_properties"]["$event_id"]);
    }
    const std::string base = "http://127.0.0.1:" + std::to_string(port_);
    const Json& next = page["links"]["next"];
    target = next.is_null() ? "" : next.get<std::string>().substr(base.size());
    ++pages;
  }
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(ids, ::testing::ElementsAre("4", "3", "2", "1", "0"));
}

TEST_F(SimServer, AResetIsAResetAndRecordsNothing) {
  set_faults(R"([{"reset":true}])");
  RawClient raw(port_);
  raw.post("/api/events", order("1"));
  EXPECT_EQ(raw.read_all(), "");
  EXPECT_EQ(raw.error(), ECONNRESET);
  EXPECT_EQ(server_.simulator().stats().events.recorded, 0U);
}

TEST_F(SimServer, AResetAfterwardsHasRecordedTheEvent) {
  set_faults(R"([{"reset":true,"after":true}])");
  RawClient raw(port_);
  raw.post("/api/events", order("1"));
  EXPECT_EQ(raw.read_all(), "");
  EXPECT_EQ(raw.error(), ECONNRESET);
  EXPECT_EQ(post("/api/events", kHeaders, order("1")), 202);
  const Stats stats = server_.simulator().stats();
  EXPECT_EQ(stats.events.recorded, 1U);
  EXPECT_EQ(stats.events.duplicates, 1U);
}

TEST_F(SimServer, ATruncatedAnswerPromisesMoreThanItSends) {
  set_faults(R"([{"truncate":true,"status":200,"body":"0123456789"},{"truncate":true}])");
  for (const std::string& expected : {std::string("01234"), std::string(32, ' ')}) {
    RawClient raw(port_);
    raw.post("/api/events", order("1"));
    const std::string answer = raw.read_all();
    EXPECT_EQ(raw.error(), 0);
    EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), expected);
    EXPECT_THAT(answer, ::testing::HasSubstr(
                            "Content-Length: " + std::to_string(expected.size() * 2) + "\r\n"));
  }
}

TEST_F(SimServer, AGarbageRetryAfterArrivesAsScripted) {
  set_faults(R"([{"status":429,"retry_after":"soon"}])");
  const auto result = client_->Post("/api/events", kHeaders, order("1"), kJsonApiType);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Retry-After"), "soon");
  EXPECT_FALSE(result->has_header("RateLimit-Limit"));
}

TEST_F(SimServer, WithoutLimitsTheHeadersSayThatNothingBinds) {
  const char* path = "/api/event-bulk-create-jobs";  // of the real limits the lowest: 10 a second
  for (int i = 0; i < 20; ++i) {
    const auto result = client_->Post(path, kHeaders, "{}", kJsonApiType);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->status, 400);
    EXPECT_EQ(result->get_header_value("RateLimit-Limit"), "1000000000");
    EXPECT_EQ(result->get_header_value("RateLimit-Remaining"), "1000000000");
    EXPECT_EQ(result->get_header_value("RateLimit-Reset"), "60");
  }
}

TEST_F(SimServer, TheControlNeedsNoKeyAndNoBody) {
  RawClient raw(port_);
  raw.send("POST /sim/reset HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(raw.read_all(), ::testing::StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(client_->Put("/sim/faults", R"([{"status":500}])", "text/plain")->status, 204);
  EXPECT_EQ(client_->Put("/sim/faults", "nonsense", "text/plain")->status, 400);
  EXPECT_EQ(post("/api/events", kHeaders, order("1")), 500);
  const Json stats = *parse_json(client_->Get("/sim/stats")->body).value;
  EXPECT_EQ(stats["requests"], 1);
  EXPECT_EQ(stats["answers"], Json({{"500", 1}}));
}

TEST_F(SimServer, ARequestThatCannotBeReadIsAJsonApiError) {
  const std::string start = "POST /api/events HTTP/1.1\r\nHost: localhost\r\n";
  const std::vector<std::pair<std::string, int>> rows = {
      {"nonsense\r\n\r\n", 400},
      {start + "no colon\r\n\r\n", 400},
      {start + "Content-Length: many\r\n\r\n", 400},
      {start + "X-Filler: " + std::string(70'000, 'x') + "\r\n\r\n", 431},
      {start + "Content-Length: 99000000\r\nExpect: 100-continue\r\n\r\n", 413}};
  for (const auto& [text, status] : rows) {
    RawClient raw(port_);
    raw.send(text);
    raw.end();
    const std::string answer = raw.read_all();
    EXPECT_EQ(raw.error(), 0);
    EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 " + std::to_string(status)));
    const auto body = parse_json(answer.substr(answer.find("\r\n\r\n") + 4)).value;
    ASSERT_TRUE(body) << answer;
    EXPECT_EQ((*body)["errors"][0]["status"], status);
  }
}

TEST_F(SimServer, ABodyThatWaitsToBeAskedForIsAskedFor) {
  RawClient raw(port_);
  raw.send(
      "PUT /sim/faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(raw.read(25), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("[]");
  EXPECT_THAT(raw.read_all(), ::testing::StartsWith("HTTP/1.1 204"));
}

TEST_F(SimServer, ABodyInChunksArrivesWhole) {
  RawClient raw(port_);
  raw.send(
      "PUT /sim/faults HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n");
  EXPECT_THAT(raw.read_all(), ::testing::StartsWith("HTTP/1.1 204"));
}

TEST_F(SimServer, ABodyIsTakenAsItIs) {
  EXPECT_EQ(post("/api/events", with("Content-Encoding", "identity"), order("1")), 202);
  EXPECT_EQ(post("/api/events", with("Content-Encoding", "gzip"), order("1")), 415);
}

TEST(SimTarget, EscapesAreDecodedAndWhatIsNoneStays) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {"/a%20b", "/a b"}, {"/a+b", "/a+b"}, {"/%", "/%"}, {"/%4", "/%4"}, {"/%zz1", "/%zz1"}};
  for (const auto& [target, path] : rows) {
    Request request;
    set_target(request, target);
    EXPECT_EQ(request.path, path);
    EXPECT_TRUE(request.query.empty());
  }
  Request request;
  set_target(request, "/events?page%5Bsize%5D=2&q=a+b%3Dc&&empty=&q=2?");
  EXPECT_EQ(request.path, "/events");
  EXPECT_THAT(request.query,
              ::testing::ElementsAre(std::pair("empty", ""), std::pair("page[size]", "2"),
                                     std::pair("q", "a b=c"), std::pair("q", "2?")));
}

TEST_F(SimServer, RequestsOnOneConnectionAreFast) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(post("/api/events", kHeaders, order(std::to_string(i))), 202);
  }
  // Nagle's algorithm against delayed acknowledgement would cost 40 ms for each.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
  EXPECT_EQ(server_.simulator().stats().connections, 1U);
}

TEST_F(SimServer, ManyClientsAreServedAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      httplib::Client client("127.0.0.1", port_);
      for (int j = 0; j < 50; ++j) {
        client.Post("/api/events", kHeaders, order(std::to_string(i * 100 + j)), kJsonApiType);
        client.Get("/api/events?page[size]=5", kHeaders);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server_.simulator().stats().events.recorded, 400U);
}

TEST_F(SimServer, StopEndsIdleConnectionsAndDelays) {
  ASSERT_EQ(post("/api/events", kHeaders, order("1")), 202);
  set_faults(R"([{"delay_ms":60000}])");
  RawClient idle(port_);
  RawClient delayed(port_);
  delayed.post("/api/events", order("2"));
  // The fault is taken when its delay begins.
  while (client_->Get("/sim/faults")->body.find("delay_ms") != std::string::npos) {
    std::this_thread::yield();
  }
  const auto begin = std::chrono::steady_clock::now();
  server_.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  EXPECT_EQ(idle.read_all(), "");
  server_.stop();
}

TEST_F(SimServer, APortIsNotShared) {
  Server other;
  ServerOptions options;
  options.port = port_;
  EXPECT_EQ(other.start(options), 0);
  server_.stop();
  EXPECT_EQ(other.start(options), port_);
}

}  // namespace
}  // namespace sim

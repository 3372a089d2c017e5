// CurlHttpClient against real sockets on loopback: what arrives, what comes back, what is reported.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <map>
#include <postbox/http_client.hpp>
#include <semaphore>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/http_exchange.hpp"
#include "support/loopback_server.hpp"

namespace postbox {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(CurlHttpClient, DeliversBodyAndHeadersAndReturnsTheAnswer) {
  Inbox inbox;
  LoopbackServer server(inbox.answering(http_answer("done", "X-Mixed-Case:  kept \t\r\n")));
  auto client = make_client({.user_agent = "postbox/9"});
  HttpRequest request = post(server.url("/events?key=1"), std::string("a\0b", 3));
  request.headers.emplace_back("Authorization: secret");
  const HttpResponse response = response_to(*client, std::move(request));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.header("x-mixed-case"), "kept");
  EXPECT_EQ(response.header("absent"), "");
  ASSERT_EQ(inbox.requests().size(), 1U);
  const auto received = inbox.requests().front();
  EXPECT_TRUE(received.head.starts_with("POST /events?key=1 HTTP/1.1\r\n")) << received.head;
  EXPECT_TRUE(received.has("\r\nAuthorization: secret"));
  EXPECT_TRUE(received.has("\r\nUser-Agent: postbox/9"));
  EXPECT_FALSE(received.has("Expect"));
  EXPECT_FALSE(received.has("Accept-Encoding"));
  EXPECT_EQ(received.body, std::string("a\0b", 3));
}

TEST(CurlHttpClient, SaysWhatItIsAndItsVersion) {
  Inbox inbox;
  LoopbackServer server(inbox.answering(http_answer("done")));
  auto client = make_client({});
  EXPECT_EQ(response_to(*client, post(server.url("/events"), "{}")).status, 200);
  ASSERT_EQ(inbox.requests().size(), 1U);
  EXPECT_TRUE(inbox.requests().front().has("\r\nUser-Agent: postbox/" + std::string(kVersion)));
}

TEST(CurlHttpClient, CarriesManyTransfersAtOnceOverFewConnections) {
  std::promise<void> all_arrived;
  std::atomic<int> arrived = 0;
  auto gate = all_arrived.get_future().share();
  LoopbackServer server([&, gate](Connection& connection) {
    while (auto request = connection.read_request()) {
      if (++arrived == 16) all_arrived.set_value();
      gate.wait();
      connection.send(http_answer(request->body));
    }
  });
  auto client = make_client();
  for (int round = 0; round < 10; ++round) {
    std::map<TransferId, std::string> sent;
    for (int i = 0; i < 16; ++i) {
      const std::string body = std::to_string(round * 16 + i);
      sent.emplace(client->start(post(server.url(), body)).value(), body);
    }
    for (auto& [id, completion] : finish(*client, sent.size())) {
      EXPECT_EQ(std::get<HttpResponse>(completion.outcome).body, sent[id]);
    }
  }
  EXPECT_EQ(server.connections(), 16);
}

TEST(CurlHttpClient, KeepsNothingOfThePreviousRequest) {
  Inbox inbox;
  LoopbackServer server(inbox.answering(http_answer("", "X-First: 1\r\n")));
  auto client = make_client();
  HttpRequest first = post(server.url(), std::string(100'000, 'x'));
  first.headers.emplace_back("X-Secret: 1");
  (void)response_to(*client, std::move(first));
  const HttpResponse second = response_to(*client, post(server.url(), ""));
  EXPECT_EQ(second.headers.size(), 2U);
  EXPECT_EQ(server.connections(), 1);
  ASSERT_EQ(inbox.requests().size(), 2U);
  EXPECT_FALSE(inbox.requests()[1].has("X-Secret"));
  EXPECT_EQ(inbox.requests()[1].body, "");
}

TEST(CurlHttpClient, TakesWhatIsNewInTheNextRequestAndOnlyThat) {
  Inbox inbox;
  LoopbackServer server(inbox.answering(http_answer("")));
  auto client = make_client();
  const auto send = [&](const std::string& path, const char* key, const char* body) {
    HttpRequest request = post(server.url(path), body);
    request.headers.emplace_back(key);
    (void)response_to(*client, std::move(request));
  };
  send("/a", "X-Key: 1", "1");
  send("/a", "X-Key: 1", "2");
  EXPECT_FALSE(client->start(post("no scheme, no host")));
  EXPECT_FALSE(client->start(post(server.url("/a\nb"))));
  send("/a", "X-Key: 1", "3");
  send("/b", "X-Key: 1", "4");
  send("/b", "X-Key: 2", "5");
  ASSERT_EQ(inbox.requests().size(), 5U);
  const std::vector<std::string> paths = {"/a", "/a", "/a", "/b", "/b"};
  const std::vector<std::string> keys = {"1", "1", "1", "1", "2"};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto received = inbox.requests()[i];
    EXPECT_TRUE(received.head.starts_with("POST " + paths[i] + " ")) << received.head;
    EXPECT_TRUE(received.has("\r\nX-Key: " + keys[i])) << received.head;
    EXPECT_EQ(received.body, std::to_string(i + 1));
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(CurlHttpClient, AsksWithGetBetweenRequestsWithPostOnOneConnection) {
  Inbox inbox;
  LoopbackServer server(inbox.answering(http_answer("done")));
  auto client = make_client();
  const auto get = [&] {
    HttpRequest request{server.url("/thing"), {}, {}};
    request.method = HttpMethod::kGet;
    return request;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(response_to(*client, get()).body, "done");
    EXPECT_EQ(response_to(*client, post(server.url("/thing"), "[1]")).body, "done");
  }
  ASSERT_EQ(inbox.requests().size(), 4U);
  for (std::size_t i = 0; i < 4; i += 2) {
    const auto asked = inbox.requests()[i];
    EXPECT_TRUE(asked.head.starts_with("GET /thing HTTP/1.1\r\n")) << asked.head;
    EXPECT_FALSE(asked.has("Content-")) << asked.head;
    EXPECT_EQ(asked.body, "");
    const auto posted = inbox.requests()[i + 1];
    EXPECT_TRUE(posted.head.starts_with("POST /thing HTTP/1.1\r\n")) << posted.head;
    EXPECT_EQ(posted.body, "[1]");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(CurlHttpClient, ReplacesAConnectionThatTheServerHasClosed) {
  std::promise<void> closed;
  LoopbackServer server([&](Connection& connection) {
    if (connection.number() > 1) return always(http_answer("second"))(connection);
    connection.read_request();
    connection.send(http_answer("first"));
    connection.half_close();
    closed.set_value();
    connection.wait_for_close();
  });
  auto client = make_client();
  EXPECT_EQ(response_to(*client, post(server.url())).body, "first");
  closed.get_future().wait();
  EXPECT_EQ(response_to(*client, post(server.url())).body, "second");
}

TEST(CurlHttpClient, SendsAgainWhenAReusedConnectionBreaksUnderTheRequest) {
  LoopbackServer server([](Connection& connection) {
    if (connection.number() > 1) return always(http_answer("second"))(connection);
    connection.read_request();
    connection.send(http_answer("first"));
    connection.read_request();
    connection.reset();
  });
  auto client = make_client();
  EXPECT_EQ(response_to(*client, post(server.url())).body, "first");
  EXPECT_EQ(response_to(*client, post(server.url(), std::string(200'000, 'y'))).body, "second");
}

TEST(CurlHttpClient, ReportsAConnectionThatEndsEarlyAsReset) {
  auto client = make_client();
  LoopbackServer resetting([](Connection& connection) {
    connection.read_request();
    connection.reset();
  });
  EXPECT_EQ(failure_of(*client, post(resetting.url())).fault, TransportFault::kReset);
  LoopbackServer silent(once(""));
  EXPECT_EQ(failure_of(*client, post(silent.url())).fault, TransportFault::kReset);
  LoopbackServer truncating(once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
  EXPECT_EQ(failure_of(*client, post(truncating.url())).fault, TransportFault::kReset);
}

TEST(CurlHttpClient, ReportsWhatIsNotHttpAsProtocolFault) {
  auto client = make_client();
  for (const char* answer :
       {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/banana\r\n\r\n", "\r\n\r\n", "HTTP/1.1 2000 Four\r\n\r\n",
        "HTTP/1.1\r\n\r\n", "HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n"}) {
    LoopbackServer server(once(answer));
    const TransportFailure failure = failure_of(*client, post(server.url("/?api_key=secret")));
    EXPECT_EQ(failure.fault, TransportFault::kProtocol) << answer << failure.detail;
    EXPECT_FALSE(failure.detail.empty());
    EXPECT_EQ(failure.detail.find("secret"), std::string::npos) << failure.detail;
  }
}

TEST(CurlHttpClient, KeepsTheStartOfALongBodyAndDropsTheRest) {
  LoopbackServer server(always(http_answer(std::string(30'000, 'a') + "b")));
  auto client = make_client({.max_response = Bytes{10'000}});
  EXPECT_EQ(response_to(*client, post(server.url())).body, std::string(10'000, 'a'));
  EXPECT_EQ(response_to(*client, post(server.url())).status, 200);
  EXPECT_EQ(server.connections(), 1);
}

// A script that sends `start`, and then `more` without end.
LoopbackServer::Script endless(std::string start, std::string more) {
  return [start = std::move(start), more = std::move(more)](Connection& connection) {
    connection.read_request();
    connection.send(start);
    while (connection.send(more)) {
    }
  };
}

TEST(CurlHttpClient, EndsAHeadWithoutEnd) {
  LoopbackServer server(endless("HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789\r\n"));
  auto client = make_client();
  EXPECT_EQ(failure_of(*client, post(server.url())).fault, TransportFault::kProtocol);
}

TEST(CurlHttpClient, TakesTheStatusOfAnAnswerWhoseBodyNeverEnds) {
  for (const char* status : {"202 Accepted", "400 Bad Request", "500 Internal Server Error"}) {
    const std::string head = std::string("HTTP/1.1 ") + status + "\r\nX-Kept: yes\r\n";
    for (const char* framing : {"\r\n", "Content-Length: 99999999\r\n\r\n"}) {
      LoopbackServer server(endless(head + framing, "0123456789abcdef"));
      auto client = make_client({.max_response = kibibytes(16)});
      const HttpResponse response = response_to(*client, post(server.url()));
      EXPECT_EQ(response.status, std::stoi(status));
      EXPECT_EQ(response.header("x-kept"), "yes");
      EXPECT_EQ(response.body.size(), kibibytes(16).count);
      EXPECT_TRUE(response.body.starts_with("0123456789abcdef01"));
      (void)response_to(*client, post(server.url()));
      EXPECT_EQ(server.connections(), 2) << "what is left of a body must not pass for an answer";
    }
  }
}

// The rest of a body would be dropped: how it ends makes no difference.
TEST(CurlHttpClient, TakesTheStatusOfALongBodyThatBreaksOffOrStandsStill) {
  const std::string start =
      "HTTP/1.1 413 Content Too Large\r\nContent-Length: 50000\r\n\r\n" + std::string(20'000, 'a');
  LoopbackServer breaking(once(start));
  LoopbackServer silent([&](Connection& connection) {
    connection.read_request();
    connection.send(start);
    connection.wait_for_close();
  });
  auto client = make_client({.total_timeout = 1s, .max_response = Bytes{20'000}});
  for (const LoopbackServer* server : {&breaking, &silent}) {
    HttpResponse response = response_to(*client, post(server->url()));
    EXPECT_EQ(response.status, 413);
    EXPECT_TRUE(response.body == std::string(20'000, 'a')) << response.body.size();
  }
}

TEST(CurlHttpClient, EndsASlowAnswerAtTheTotalTimeout) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  struct Row {
    std::string start;
    std::string drop;  // none: silence
  };
  for (const Row& row :
       {Row{head, ""}, Row{"", "HTTP/1.1 100 Continue\r\n\r\n"}, Row{head, "X: 1\r\n"},
        Row{head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"}}) {
    LoopbackServer server([&row](Connection& connection) {
      connection.read_request();
      connection.send(row.start);
      row.drop.empty() ? connection.wait_for_close() : connection.drip(row.drop);
    });
    auto client = make_client({.total_timeout = 50ms});
    const auto failure = failure_of(*client, post(server.url()));
    EXPECT_EQ(failure.fault, TransportFault::kTimeout) << row.start << row.drop << failure.detail;
  }
}

// A slow link: the server takes 128 KiB at each go(), while the kernel has the rest in its buffers.
class SlowReader {
 public:
  LoopbackServer::Script taking(std::size_t bytes) {
    return [this, bytes](Connection& connection) {
      const int buffer = 256 << 10;  // one that grows would take all at once
      ::setsockopt(connection.fd(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
      std::size_t taken = 0;
      while (taken < bytes) {
        steps_.acquire();
        const std::size_t enough = std::min(taken + (128U << 10U), bytes);
        while (taken < enough) {
          if (!connection.read_some()) return;
          taken += connection.take_input().size();
        }
      }
      connection.send(http_answer("slow"));
      connection.wait_for_close();
    };
  }
  void go(std::ptrdiff_t steps = 1) { steps_.release(steps); }

 private:
  std::counting_semaphore<> steps_{0};
};

TEST(CurlHttpClient, LetsASlowLinkThatMovesUseTheTimeOfItsRequest) {
  constexpr std::size_t kBytes = 4U << 20U;
  SlowReader reader;
  LoopbackServer server(reader.taking(kBytes));
  auto client = make_client({.total_timeout = 500ms});
  HttpRequest request = post(server.url(), std::string(kBytes, 's'));
  request.timeout = 60s;
  ASSERT_TRUE(client->start(std::move(request)));
  const auto start = std::chrono::steady_clock::now();
  std::vector<HttpCompletion> finished;
  while (finished.empty() && std::chrono::steady_clock::now() - start < 1500ms) {
    reader.go();
    finished = client->poll(50ms);
  }
  reader.go(kBytes >> 17U);
  if (finished.empty()) finished = client->poll(kPatience);
  ASSERT_EQ(finished.size(), 1U);
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(finished[0].outcome))
      << std::get<TransportFailure>(finished[0].outcome).detail;
  EXPECT_GE(std::chrono::steady_clock::now() - start, 1500ms);
}

TEST(CurlHttpClient, EndsWhatStandsStillBeforeTheTimeOfItsRequest) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
  for (const char* start : {"", "HTTP/1.1 100 Continue\r\n\r\n", head.c_str()}) {
    LoopbackServer server([&](Connection& connection) {
      connection.read_request();
      connection.send(start);
      connection.wait_for_close();
    });
    auto client = make_client({.total_timeout = 50ms});
    HttpRequest request = post(server.url());
    request.timeout = 10min;
    const auto failure = failure_of(*client, std::move(request));
    EXPECT_EQ(failure.fault, TransportFault::kTimeout) << start << failure.detail;
    EXPECT_NE(failure.detail.find("nothing was sent or received"), std::string::npos);
  }
}

TEST(CurlHttpClient, EndsWhatTheServerNoLongerTakes) {
  std::promise<void> ended;
  auto gate = ended.get_future().share();
  LoopbackServer server([gate](Connection& connection) {
    connection.read_some();
    gate.wait();
  });
  auto client = make_client({.total_timeout = 200ms});
  HttpRequest request = post(server.url(), std::string(32U << 20U, 'x'));
  request.timeout = 10min;
  EXPECT_EQ(failure_of(*client, std::move(request)).fault, TransportFault::kTimeout);
  ended.set_value();
}

TEST(CurlHttpClient, EndsWhatMovesAtTheTimeOfItsRequest) {
  LoopbackServer server([](Connection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.drip("1\r\na\r\n");
  });
  auto client = make_client({.total_timeout = 20s});
  HttpRequest request = post(server.url());
  request.timeout = 50ms;
  EXPECT_EQ(failure_of(*client, std::move(request)).fault, TransportFault::kTimeout);
}

// A handle that is used again has the time of its next request.
TEST(CurlHttpClient, ForgetsTheTimeOfTheRequestBefore) {
  LoopbackServer server([](Connection& connection) {
    while (auto request = connection.read_request()) {
      if (request->body == "drip") {
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        return connection.drip("1\r\na\r\n");
      }
      connection.send(http_answer("done"));
    }
  });
  auto client = make_client({.total_timeout = 50ms});
  HttpRequest patient = post(server.url());
  patient.timeout = 10min;
  (void)exchange(*client, std::move(patient));
  EXPECT_EQ(failure_of(*client, post(server.url(), "drip")).fault, TransportFault::kTimeout);
}

TEST(CurlHttpClient, EndsAConnectThatGetsNoAnswer) {
  FullListener unresponsive;
  auto client = make_client({.connect_timeout = 50ms});
  EXPECT_EQ(failure_of(*client, post(unresponsive.url())).fault, TransportFault::kTimeout);
}

TEST(CurlHttpClient, ReportsARefusedPortAndAnUnknownHost) {
  std::string refused;
  {
    LoopbackServer server(once(""));
    refused = server.url();
  }
  auto client = make_client();
  EXPECT_EQ(failure_of(*client, post(refused)).fault, TransportFault::kConnect);
  // A label of more than 63 characters is refused by the resolver without asking the network.
  const std::string unknown = "http://" + std::string(64, 'n') + ".invalid/";
  EXPECT_EQ(failure_of(*client, post(unknown)).fault, TransportFault::kDns);
}

TEST(CurlHttpClient, RefusesRequestsThatMustNotBeSent) {
  auto client = make_client();
  HttpRequest smuggling = post("http://127.0.0.1/");
  smuggling.headers.emplace_back("X: 1\r\nY: 2");
  const auto refused = client->start(std::move(smuggling));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTransport);
  EXPECT_FALSE(client->start(post("http://127.0.0.1/\r\n")));
  EXPECT_NE(failure_of(*client, post("file:///etc/hostname")).detail, "");
  EXPECT_TRUE(client->poll(0ns).empty());
}

TEST(CurlHttpClient, DoesNotFollowRedirects) {
  Inbox inbox;
  LoopbackServer target(inbox.answering(http_answer("")));
  const std::string location = "Location: " + target.url() + "\r\n";
  LoopbackServer server(always(http_answer("", location, "307 Temporary Redirect")));
  auto client = make_client();
  HttpRequest request = post(server.url());
  request.headers.emplace_back("Authorization: secret");
  const HttpResponse response = response_to(*client, std::move(request));
  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(response.header("location"), target.url());
  EXPECT_EQ(target.connections(), 0);
}

TEST(CurlHttpClient, ReadsAnswersOfEveryShape) {
  LoopbackServer server([](Connection& connection) {
    for (const char* answer :
         {"HTTP/1.1 204 No Content\r\nX-A: 1\r\nx-a: 2\r\n\r\n",
          "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\n"
          "Content-Length: 2\r\n\r\nok",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-B: a\r\n  b\r\n\r\n"
          "3\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"}) {
      connection.read_request();
      connection.send(answer);
    }
  });
  auto client = make_client();
  const HttpResponse empty = response_to(*client, post(server.url()));
  EXPECT_EQ(empty.status, 204);
  EXPECT_EQ(empty.header("x-a"), "2");
  const HttpResponse hinted = response_to(*client, post(server.url()));
  EXPECT_EQ(hinted.status, 202);
  EXPECT_EQ(hinted.header("link"), "");
  EXPECT_EQ(hinted.body, "ok");
  const HttpResponse chunked = response_to(*client, post(server.url()));
  EXPECT_EQ(chunked.body, "abc");
  EXPECT_EQ(chunked.header("x-b"), "a b");
  EXPECT_EQ(chunked.header("trailer"), "");
}

}  // namespace
}  // namespace postbox

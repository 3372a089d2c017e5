// CurlHttpClient over HTTP/2: many requests on one connection, and a server that ends it early.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <postbox/http_client.hpp>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/h2_server.hpp"
#include "support/http_exchange.hpp"
#include "support/loopback_server.hpp"
#include "support/tls_layer.hpp"

namespace postbox {
namespace {

using namespace test;

class CurlHttpClientH2 : public ::testing::Test {
 protected:
  CurlHttpClientH2() { identity_.require_protocol("h2"); }

  LoopbackServer::Script script(H2Session::Handler handler) {
    return over_tls(identity_, over_h2(std::move(handler)));
  }

  // Answers, and notes what it has processed.
  void process(H2Session& session, H2Session::Stream stream, const std::string& body) {
    {
      const std::lock_guard lock(mutex_);
      processed_.insert(body);
    }
    session.answer(stream, body);
  }

  std::multiset<std::string> processed() {
    const std::lock_guard lock(mutex_);
    return processed_;
  }

  // Sends "first" to "last" at once. Returns each one's outcome: its body again, or its fault.
  std::map<std::string, std::string> send(const LoopbackServer& server, int first, int last) {
    std::map<TransferId, std::string> bodies;
    for (int i = first; i <= last; ++i) {
      const auto id = client_->start(post(server.tls_url(), std::to_string(i)));
      EXPECT_TRUE(id);
      bodies.emplace(*id, std::to_string(i));
    }
    std::map<std::string, std::string> outcomes;
    for (const auto& [id, completion] : finish(*client_, bodies.size())) {
      const auto* failure = std::get_if<TransportFailure>(&completion.outcome);
      outcomes[bodies.at(id)] =
          failure == nullptr ? std::get<HttpResponse>(completion.outcome).header("x-body")
          : failure->fault == TransportFault::kReset ? "reset"
                                                     : "fault: " + failure->detail;
    }
    EXPECT_TRUE(client_->poll(std::chrono::nanoseconds(0)).empty());
    return outcomes;
  }

  // Sends one as the engine does: again, for as long as the answer is "reset".
  std::map<std::string, std::string> until_answered(const LoopbackServer& server, int number) {
    auto outcomes = send(server, number, number);
    for (int tries = 1; tries < 5 && outcomes.begin()->second == "reset"; ++tries) {
      outcomes = send(server, number, number);
    }
    return outcomes;
  }

  static std::map<std::string, std::string> all_answered(int first, int last) {
    std::map<std::string, std::string> expected;
    for (int i = first; i <= last; ++i) expected.emplace(std::to_string(i), std::to_string(i));
    return expected;
  }

  TlsIdentity identity_;
  std::shared_ptr<HttpClient> client_ =
      make_client({.ca_file = identity_.ca_file(), .http2 = true});

 private:
  std::mutex mutex_;
  std::multiset<std::string> processed_;
};

TEST_F(CurlHttpClientH2, CarriesManyRequestsAtOnceOverOneConnection) {
  std::vector<std::pair<H2Session::Stream, std::string>> waiting;
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    waiting.emplace_back(stream, body);
    if (waiting.size() < 64) return;
    for (const auto& [number, text] : waiting) session.answer(number, text);
    waiting.clear();
  }));
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(send(server, round * 64, round * 64 + 63), all_answered(round * 64, round * 64 + 63));
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlHttpClientH2, LosesNothingWhenTheServerSaysGoodbyeInTheMiddle) {
  H2Session::Stream last = 0;
  int arrived = 0;
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    if (session.connection() > 1 || arrived < 8) process(session, stream, body);
    if (session.connection() > 1) return;
    if (++arrived == 8) last = stream;
    if (arrived == 16) session.go_away(last);
  }));
  // Most are sent again by libcurl itself; one that it reports as reset, by the engine.
  auto outcomes = send(server, 1, 16);
  for (auto& [body, outcome] : outcomes) {
    if (outcome == "reset") outcome = until_answered(server, std::stoi(body)).at(body);
  }
  EXPECT_EQ(outcomes, all_answered(1, 16));
  EXPECT_EQ(processed().size(), 16U);
}

// libcurl 7.88 may find the goodbye only after it has put the next request on that connection.
TEST_F(CurlHttpClientH2, LosesNothingWhenTheServerSaysGoodbyeBetweenRequests) {
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    process(session, stream, body);
    if (stream == 7) session.go_away(stream);
  }));
  for (int i = 1; i <= 12; ++i) EXPECT_EQ(until_answered(server, i), all_answered(i, i));
  EXPECT_EQ(server.connections(), 3);
  EXPECT_EQ(processed().size(), 12U);
}

TEST_F(CurlHttpClientH2, SendsARefusedStreamAgain) {
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    if (session.connection() == 1 && stream % 4 == 3) {
      session.reset(stream, NGHTTP2_REFUSED_STREAM);
    } else {
      process(session, stream, body);
    }
  }));
  EXPECT_EQ(send(server, 1, 16), all_answered(1, 16));
  EXPECT_EQ(processed().size(), 16U);
}

TEST_F(CurlHttpClientH2, ReportsWhatIsAlwaysRefusedInTheEnd) {
  LoopbackServer server(script([](H2Session& session, auto stream, const std::string&) {
    session.reset(stream, NGHTTP2_REFUSED_STREAM);
  }));
  for (const auto& [body, outcome] : send(server, 1, 4)) EXPECT_EQ(outcome, "reset") << body;
}

TEST_F(CurlHttpClientH2, AFailedStreamLeavesTheOthersAlone) {
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    if (body == "5") return session.reset(stream, NGHTTP2_INTERNAL_ERROR);
    process(session, stream, body);
  }));
  auto expected = all_answered(1, 16);
  expected["5"] = "reset";
  EXPECT_EQ(send(server, 1, 16), expected);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlHttpClientH2, LosesNothingWhenTheConnectionBreaks) {
  int arrived = 0;
  LoopbackServer server(script([&](H2Session& session, auto stream, const std::string& body) {
    if (session.connection() == 1 && ++arrived > 8) {
      if (arrived == 16) session.close();
      return;
    }
    process(session, stream, body);
  }));
  auto outcomes = send(server, 1, 16);
  for (auto& [body, outcome] : outcomes) {
    if (outcome == "reset") outcome = until_answered(server, std::stoi(body)).begin()->second;
  }
  EXPECT_EQ(outcomes, all_answered(1, 16));
  // An answer that the break has lost is asked for again, so some may be processed twice.
  const auto all = processed();
  for (int i = 1; i <= 16; ++i) EXPECT_TRUE(all.contains(std::to_string(i))) << i;
}

}  // namespace
}  // namespace postbox

// CurlHttpClient as a guest in somebody else's process: waiting, cancelling, signals, environment.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <postbox/http_client.hpp>
#include <string>
#include <thread>

#include "curl/handles.hpp"
#include "support/black_hole_resolver.hpp"
#include "support/http_exchange.hpp"
#include "support/loopback_server.hpp"

namespace postbox {
namespace {

using namespace std::chrono_literals;
using namespace test;
using std::chrono::steady_clock;

TEST(CurlHttpClient, WaitsForTheWholeOfMaxWaitWhenNothingHappens) {
  auto client = make_client();
  const auto before = steady_clock::now();
  EXPECT_TRUE(client->poll(20ms + 1ns).empty());
  EXPECT_GE(steady_clock::now() - before, 20ms);
}

TEST(CurlHttpClient, WakeEndsTheNextPoll) {
  auto client = make_client();
  for (int i = 0; i < 100; ++i) {
    client->wake();
    client->wake();
    EXPECT_TRUE(client->poll(std::chrono::nanoseconds::max()).empty());
  }
}

TEST(CurlHttpClient, WakeFromAnotherThreadEndsAWaitingPoll) {
  LoopbackServer server([](Connection& connection) { connection.wait_for_close(); });
  auto client = make_client();
  ASSERT_TRUE(client->start(post(server.url())));
  for (int i = 0; i < 100; ++i) {
    std::thread waker([&] { client->wake(); });
    EXPECT_TRUE(client->poll(std::chrono::hours(1)).empty());
    waker.join();
  }
}

TEST(CurlHttpClient, CancelDropsEverythingAndClosesConnections) {
  std::promise<void> received, closed;
  LoopbackServer server([&](Connection& connection) {
    if (connection.number() > 1) return always(http_answer("after"))(connection);
    connection.read_request();
    received.set_value();
    connection.wait_for_close();
    closed.set_value();
  });
  auto client = make_client();
  ASSERT_TRUE(client->start(post(server.url())));
  auto arrival = received.get_future();
  while (arrival.wait_for(0s) != std::future_status::ready) {
    EXPECT_TRUE(client->poll(1ms).empty());
  }
  client->cancel_all();
  closed.get_future().wait();
  EXPECT_TRUE(client->poll(0ns).empty());
  EXPECT_EQ(response_to(*client, post(server.url())).body, "after");
}

TEST(CurlHttpClient, CancelAndDestructionDoNotWaitForTheNetwork) {
  FullListener unresponsive;
  const auto before = steady_clock::now();
  for (int i = 0; i < 10; ++i) {
    auto client = make_client();
    for (const std::string& url : {unresponsive.url(), std::string("http://nonexistent.invalid")}) {
      ASSERT_TRUE(client->start(post(url)));
    }
    (void)client->poll(0ns);  // the look-up may have failed by now
    if (i % 2 == 0) client->cancel_all();
  }
  EXPECT_LT(steady_clock::now() - before, 30s);  // a wait for each connection is 50 s
}

struct sigaction sigpipe_action() {
  struct sigaction action {};
  sigaction(SIGPIPE, nullptr, &action);
  return action;
}

TEST(CurlHttpClient, SurvivesAResetInMidSendWithTheDefaultSigpipe) {
  ASSERT_EQ(sigpipe_action().sa_handler, SIG_DFL);
  LoopbackServer server([](Connection& connection) {
    connection.read_some();
    connection.reset();
  });
  auto client = make_client();
  for (int i = 0; i < 5; ++i) {
    const auto failure = failure_of(*client, post(server.url(), std::string(5'000'000, 'x')));
    EXPECT_EQ(failure.fault, TransportFault::kReset) << failure.detail;
  }
  EXPECT_EQ(sigpipe_action().sa_handler, SIG_DFL);
}

// A name server that does not answer holds nobody up but those who ask for its names.
TEST(CurlHttpClient, ABlackHoleForNamesDelaysNothingElse) {
  BlackHoleResolver resolver;
  LoopbackServer server(always(http_answer("meanwhile")));
  auto client = make_client();
  const std::string lost = std::string("http://") + BlackHoleResolver::kName + "/";
  ASSERT_TRUE(client->start(post(lost)));
  EXPECT_TRUE(client->poll(0ns).empty());
  resolver.wait_for_look_up();
  EXPECT_EQ(response_to(*client, post(server.url())).body, "meanwhile");
  client->cancel_all();
  EXPECT_EQ(response_to(*client, post(server.url())).body, "meanwhile");
  ASSERT_TRUE(client->start(post(lost)));
  EXPECT_TRUE(client->poll(0ns).empty());
  client.reset();  // without cancel_all()
  EXPECT_FALSE(resolver.expired());
}

TEST(CurlHttpClient, ALookUpThatGetsNoAnswerEndsAtTheConnectTimeout) {
  const BlackHoleResolver resolver;
  auto client = make_client({.connect_timeout = 50ms});
  const auto failure =
      failure_of(*client, post(std::string("http://") + BlackHoleResolver::kName + "/"));
  EXPECT_EQ(failure.fault, TransportFault::kTimeout) << failure.detail;
  EXPECT_FALSE(resolver.expired());
}

TEST(SigpipeGuard, ConsumesWhatAWriteRaisedAndNothingElse) {
  sigset_t sigpipe, mask, pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  {
    const SigpipeGuard guard;
    pthread_kill(pthread_self(), SIGPIPE);
  }
  pthread_sigmask(SIG_BLOCK, &sigpipe, &mask);
  EXPECT_EQ(sigismember(&mask, SIGPIPE), 0);
  pthread_kill(pthread_self(), SIGPIPE);
  { const SigpipeGuard guard; }
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
  int taken = 0;
  sigwait(&sigpipe, &taken);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(CurlHttpClient, UsesTheProxiesOfTheEnvironmentAsItWasAtConstruction) {
  Inbox inbox;
  LoopbackServer proxy(inbox.answering(http_answer("", {}, "403 Forbidden")));
  std::shared_ptr<HttpClient> client;
  {
    const ScopedVariable http("http_proxy", "http://user:secret@" + proxy.authority());
    const ScopedVariable https("HTTPS_PROXY", "http://" + proxy.authority());
    const ScopedVariable bypass("no_proxy", "127.0.0.1,localhost");
    client = make_client();
  }
  LoopbackServer direct(always(http_answer("direct")));
  EXPECT_EQ(response_to(*client, post(direct.url())).body, "direct");
  EXPECT_EQ(response_to(*client, post("http://nonexistent.invalid/x")).status, 403);
  HttpRequest tunnelled = post("https://nonexistent.invalid/x");
  tunnelled.headers.emplace_back("Authorization: secret");
  EXPECT_EQ(failure_of(*client, std::move(tunnelled)).fault, TransportFault::kConnect);
  ASSERT_EQ(inbox.requests().size(), 2U);
  EXPECT_TRUE(inbox.requests()[0].head.starts_with("POST http://nonexistent.invalid/x HTTP/1.1"));
  EXPECT_TRUE(inbox.requests()[1].head.starts_with("CONNECT nonexistent.invalid:443"));
  EXPECT_FALSE(inbox.requests()[1].has("Authorization: secret"));
}

TEST(CurlHttpClient, TakesNoProxyFromLaterChangesOfTheEnvironment) {
  auto client = make_client();
  LoopbackServer proxy(always(http_answer("proxy")));
  LoopbackServer direct(always(http_answer("direct")));
  const ScopedVariable http("http_proxy", proxy.url());
  EXPECT_EQ(response_to(*client, post(direct.url())).body, "direct");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST(CurlHttpClient, KeepsProxyCredentialsOutOfTheDetail) {
  for (const char* url : {"gopher://user:secret@127.0.0.1:1", "http://user:secret@[",
                          "http://user:secret@127.0.0.1:1"}) {
    const ScopedVariable http("http_proxy", url);
    auto client = make_client();
    const auto failure = failure_of(*client, post("http://nonexistent.invalid/?key=secret"));
    EXPECT_EQ(failure.detail.find("secret"), std::string::npos) << failure.detail;
    EXPECT_FALSE(failure.detail.empty());
  }
}

TEST(CurlHttpClient, RejectsTimeoutsThatMeanForever) {
  for (const auto timeout : {0ms, -1ms, std::chrono::milliseconds::max()}) {
    const auto client = curl_http_client({.total_timeout = timeout});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidConfig);
    EXPECT_FALSE(curl_http_client({.connect_timeout = timeout}));
  }
}

TEST(CurlHttpClient, WorksWhenTheHostOwnsCurl) {
  LoopbackServer server(always(http_answer("ok")));
  ASSERT_EQ(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
  {
    auto client = make_client({.host_owns_curl = true});
    EXPECT_EQ(response_to(*client, post(server.url())).body, "ok");
  }
  curl_global_cleanup();
}

}  // namespace
}  // namespace postbox

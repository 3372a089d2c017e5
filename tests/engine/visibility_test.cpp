// What an operator reads at the default log level when events do not get through or are refused,
// and what the host is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;

class Visibility : public EngineHarness {
 protected:
  struct Told {
    std::string type;
    std::string key;
    std::string reason;
    friend bool operator==(const Told&, const Told&) = default;
  };

  void SetUp() override {
    config.on_undeliverable = [this](std::string_view type, std::string_view key,
                                     std::string_view reason) {
      told.push_back({std::string(type), std::string(key), std::string(reason)});
    };
  }

  void answer(int status) {
    http->on_request([status](const HttpRequest&) { return ScriptedHttpClient::answer(status); });
  }

  std::vector<Told> told;
};

TEST_F(Visibility, AnOutageIsSaidWithinTenSecondsByItsFirstEvent) {
  start();
  answer(503);
  track("a");
  run_for(10s);
  EXPECT_EQ(lines.count("failing: status 503 (since "), 1U) << lines.joined();
  EXPECT_EQ(lines.count(", 1 events wait)"), 1U) << lines.joined();
}

TEST_F(Visibility, AnOutageIsSaidEveryFiveMinutesAndWhenItIsOver) {
  start();
  answer(503);
  for (int i = 0; i < 50; ++i) track("n" + std::to_string(i));
  run_for(61min);
  EXPECT_GE(lines.count("failing: "), 12U);
  EXPECT_LE(lines.count("failing: "), 13U) << "an hour, and once at its beginning";
  EXPECT_EQ(lines.count("get through again"), 0U);
  answer(202);
  run_for(10min);
  EXPECT_EQ(lines.count("events get through again after 1 h, "), 1U) << lines.joined();
  EXPECT_LE(lines.count("failing: "), 13U);
}

TEST_F(Visibility, ANewReasonIsSaidAtOnce) {
  start();
  answer(503);
  track("a");
  run_for(30s);
  answer(502);
  run_for(60s);
  EXPECT_EQ(lines.count("failing: status 503"), 1U);
  EXPECT_EQ(lines.count("failing: status 502"), 1U);
}

TEST_F(Visibility, AFailureAmongOthersThatSucceedIsNoOutage) {
  start();
  http->on_request([n = 0](const HttpRequest&) mutable {
    return ScriptedHttpClient::answer(++n % 10 == 0 ? 503 : 202);
  });
  for (int i = 0; i < 500; ++i) {
    track("n" + std::to_string(i));
    run_for(1s);
  }
  EXPECT_EQ(lines.count("failing"), 0U) << lines.joined();
  EXPECT_EQ(lines.count("get through"), 0U);
}

TEST_F(Visibility, AWayThatFlapsFillsNoLog) {
  start();
  for (int i = 0; i < 360; ++i) {
    answer(i % 2 == 0 ? 503 : 202);
    track("n" + std::to_string(i));
    run_for(10s);
  }
  const std::size_t said = lines.count("failing") + lines.count("get through");
  EXPECT_GE(said, 10U);
  EXPECT_LE(said, 120U) << "two lines a minute for an hour";
}

TEST_F(Visibility, AWrongKeyIsSaidAtOnceAndWhenItIsMended) {
  start();
  answer(401);
  track("a");
  run_for(1s);
  EXPECT_EQ(lines.count("parked (since "), 1U) << lines.joined();
  answer(202);
  ASSERT_TRUE(tracker->reload());
  run_for(1s);
  EXPECT_EQ(lines.count("events get through again after "), 1U) << lines.joined();
}

TEST_F(Visibility, ARejectionIsSaidOnceForEachKindAndTheHostIsToldOfAll) {
  start();
  for (int i = 0; i < 3; ++i) track("!" + std::to_string(i));
  track("!memo", "1", kMemos);
  run_for(1s);
  EXPECT_EQ(lines.count("note rejected: text must not begin with '!'"), 1U) << lines.joined();
  EXPECT_EQ(lines.count("memo rejected: text must not begin with '!'"), 1U);
  const std::string reason = "rejected: text must not begin with '!'";
  EXPECT_EQ(told, (std::vector<Told>{{"Note", "!0", reason},
                                     {"Note", "!1", reason},
                                     {"Note", "!2", reason},
                                     {"Note", "!memo", reason}}));
  run_for(31s);
  EXPECT_EQ(lines.count("(2 more in 30 seconds)"), 1U) << lines.joined();
}

TEST_F(Visibility, TheHostIsToldOfDeadLetters) {
  start();
  answer(400);
  track("first word");
  run_for(1s);
  EXPECT_EQ(told, (std::vector<Told>{{"first", "first word", "status 400"}}));
}

TEST_F(Visibility, TheLastRejectionsAreSaidAtTheEnd) {
  start();
  track("!a");
  tracker->stop(1s);
  EXPECT_EQ(told.size(), 1U);
  EXPECT_EQ(lines.count("rejected"), 1U);
}

TEST_F(Visibility, BeyondAThousandTheyAreCounted) {
  start();
  for (int i = 0; i < 1'500; ++i) track("!" + std::to_string(i));
  run_for(1s);
  EXPECT_EQ(told.size(), 1'000U);
  EXPECT_EQ(lines.count("500 more events were rejected"), 1U) << lines.joined();
}

TEST_F(Visibility, AHostThatThrowsIsSaid) {
  config.on_undeliverable = [](auto, auto, auto) { throw std::runtime_error("the host's"); };
  start();
  track("!a");
  run_for(1s);
  EXPECT_EQ(lines.count("Config::on_undeliverable has thrown an exception"), 1U);
}

TEST_F(Visibility, WithABrokenOutboxRejectionsAreSaidAllTheSame) {
  outbox = open_outbox(OutboxOptions{.url = "sqlite:/proc/nowhere/postbox.db"}, clock).value();
  vendor = std::make_shared<FakeVendor>();
  restart();
  track("!a");
  run_for(10s);
  EXPECT_EQ(told.size(), 1U);
  tracker.reset();  // its counts are unknown without an outbox
}

}  // namespace
}  // namespace postbox::tests

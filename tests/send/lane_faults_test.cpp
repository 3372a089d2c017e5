// Faults that concern one lane or one event, and what they cost the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>
#include <sstream>
#include <string>

#include "support/engine_harness.hpp"
#include "support/rounds.hpp"
#include "support/slow_link.hpp"
#include "support/virtual_shops.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;

bool is_bulk(const HttpRequest& request) { return request.url.ends_with("bulk"); }

class LaneFaults : public EngineHarness {
 protected:
  void SetUp() override {
    outbox = open_outbox(OutboxOptions{.url = "memory:"}, clock).value();
    vendor = std::make_shared<FakeVendor>(klaviyo_lanes());
    restart();
  }

  void track_many(std::size_t events, const std::string& name, const Family& family = kNotes) {
    for (std::size_t i = 0; i < events; ++i) {
      ASSERT_EQ(track(name + std::to_string(i), "1", family), TrackStatus::kAccepted);
    }
  }

  // The most requests that carried one and the same event.
  [[nodiscard]] std::size_t most_repeated() const {
    std::map<std::string, std::size_t> times;
    for (const HttpRequest& request : http->requests()) {
      std::istringstream text(request.body);
      for (std::string line; std::getline(text, line);) ++times[line];
    }
    std::size_t most = 0;
    for (const auto& [event, count] : times) most = std::max(most, count);
    return most;
  }
};

// A request with a poison event in it fails, by a status that a whole outage has, too.
class PoisonByOutage : public LaneFaults, public ::testing::WithParamInterface<int> {
 protected:
  static ScriptedHttpClient::Answer answer(const HttpRequest& request) {
    if (request.body.find("poison") == std::string::npos) return ScriptedHttpClient::answer(202);
    return GetParam() == 0 ? ScriptedHttpClient::failure(TransportFault::kTimeout)
                           : ScriptedHttpClient::answer(GetParam());
  }
};

TEST_P(PoisonByOutage, TakesNoneOfItsBatchAlong) {
  http->on_request(answer);
  for (int i = 0; i < 1'000; ++i) {
    track(i % 400 == 150 ? "poison" + std::to_string(i) : "n" + std::to_string(i));
  }
  run_for(60s);
  EXPECT_EQ(tracker->stats().delivered, 997U) << "within a minute";
  run_for(std::chrono::hours(80));
  EXPECT_EQ(tracker->stats().delivered, 997U);
  const bool is_kept = GetParam() == 407;  // not the vendor's answer
  EXPECT_EQ(tracker->stats().dead, is_kept ? 0U : 3U);
  EXPECT_EQ(tracker->stats().waiting, is_kept ? 3U : 0U);
}

TEST_P(PoisonByOutage, InABacklogDelaysNoGoodEventForLong) {
  http->on_request(answer);
  for (int i = 0; i < 8'000; ++i) {
    track(i % 800 == 150 ? "poison" + std::to_string(i) : "n" + std::to_string(i));
    if (i % 500 == 0) tracker->run_once();
  }
  run_for(300s);
  EXPECT_EQ(tracker->stats().delivered, 7'990U);
  EXPECT_EQ(tracker->stats().dead, 0U);
}

INSTANTIATE_TEST_SUITE_P(Status, PoisonByOutage, ::testing::Values(500, 503, 0, 407),
                         [](const auto& parameter) {
                           return parameter.param == 0 ? std::string("Timeout")
                                                       : std::to_string(parameter.param);
                         });

TEST_F(LaneFaults, ABulkEndpointThatFailsAloneSendsNobodyToTheDeadLetters) {
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(is_bulk(request) ? 503 : 202);
  });
  track_many(9'000, "n");
  run_for(300s);
  EXPECT_EQ(tracker->stats().delivered, 9'000U) << "at the pace of single requests";
  EXPECT_LE(most_repeated(), 4U);
}

TEST_F(LaneFaults, ASingleEndpointThatFailsAloneLeavesItsEventsToTheOther) {
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(is_bulk(request) ? 202 : 503);
  });
  track_many(300, "n");
  run_for(120s);
  EXPECT_EQ(tracker->stats().dead, 0U);
  EXPECT_GE(tracker->stats().delivered, 290U) << "but for the probes of the single lane";
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  run_for(600s);
  EXPECT_EQ(tracker->stats().delivered, 300U);
}

// What fails in an outage is not suspected of causing it: a day later most go together.
TEST_F(LaneFaults, AfterALongOutageTheBacklogStillGoesInBulk) {
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(503); });
  track_many(30'000, "n");
  for (int hour = 0; hour < 24; ++hour) run_for(std::chrono::hours(1));
  const std::size_t before = http->requests().size();
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  run_for(300s + 60s);  // after the longest backoff
  EXPECT_EQ(tracker->stats().delivered, 30'000U);
  EXPECT_LT(http->requests().size() - before, 6'000U);
}

// A 404, 410 or redirect of one endpoint.
TEST_F(LaneFaults, AnEndpointThatIsParkedAloneLeavesItsEventsToTheOther) {
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(is_bulk(request) ? 403 : 202);
  });
  track_many(5'000, "memo", kMemos);
  run_for(2s);
  track("order");
  run_for(2s);
  EXPECT_EQ(lines.count("sent order"), 1U);
  run_for(300s);
  EXPECT_EQ(tracker->stats().delivered, 5'001U);
  EXPECT_LE(tracker->stats().parked, 4U + 2U) << "those in flight, then a probe each five minutes";
}

TEST_F(LaneFaults, AProbeAfterKeyTroubleTakesTheLaneThatIsOpen) {
  bool key_works = false;
  http->on_request([&](const HttpRequest& request) {
    if (!is_bulk(request)) return ScriptedHttpClient::answer(429, "", {{"retry-after", "600"}});
    return ScriptedHttpClient::answer(key_works ? 202 : 401);
  });
  track_many(5, "n");
  run_for(10s);
  ASSERT_EQ(tracker->stats().parked, 1U);
  key_works = true;
  ASSERT_TRUE(tracker->reload());
  run_for(10s);
  EXPECT_EQ(tracker->stats().delivered, 5U);
}

// Hundreds of events of the first family fail, and each closes the lane again.
TEST_F(LaneFaults, WhileALaneIsProbedEveryFamilyHasItsTurn) {
  http->on_request([](const HttpRequest& request) {
    if (is_bulk(request)) return ScriptedHttpClient::answer(403);
    return ScriptedHttpClient::answer(request.body.starts_with("bad") ? 503 : 202);
  });
  track_many(500, "bad");
  run_for(120s);
  track_many(3, "memo", kMemos);
  run_for(120s);
  EXPECT_EQ(tracker->stats().delivered, 3U);
}

// Both lanes are probed while most of what waits fails: a probe costs the longest request and a
// pause, and must not be spent on what has failed before.
TEST_F(LaneFaults, WhatHasFailedLeastGoesFirst) {
  http->on_request([](const HttpRequest& request) {
    return request.body.find("poison") == std::string::npos
               ? ScriptedHttpClient::answer(202)
               : ScriptedHttpClient::failure(TransportFault::kTimeout);
  });
  track_many(40, "poison");
  run_for(600s);
  const std::size_t before = http->requests().size();
  track_many(10, "good");
  run_for(60s);
  ASSERT_EQ(tracker->stats().delivered, 10U);
  const auto sent = bodies();
  const auto last = std::ranges::find_if(
      sent.rbegin(), sent.rend(), [](const std::string& body) { return body.starts_with("good"); });
  EXPECT_LE(static_cast<std::size_t>(sent.rend() - last), before + 20)
      << "ten good ones, the probes under way, and five failures that close a lane again";
}

TEST_F(LaneFaults, HangingRequestsOfOneLaneLeaveTheOtherAPlace) {
  track_many(3'000, "memo", kMemos);
  hang(true);
  run_for(1s);
  EXPECT_LE(http->unanswered(), config.max_in_flight - 1);
  hang(false);
  run_for(120s);
  EXPECT_EQ(tracker->stats().delivered, 3'000U);
}

TEST_F(LaneFaults, MostOfABatchRefusedWithoutAPointerLeavesTheGoodOnesWithinAMinute) {
  http->on_request([](const HttpRequest& request) {
    return ScriptedHttpClient::answer(request.body.find("poison") == std::string::npos ? 202 : 400);
  });
  for (int i = 0; i < 1'000; ++i) {
    track(i % 10 == 0 ? "n" + std::to_string(i) : "poison" + std::to_string(i));
  }
  run_for(60s);
  EXPECT_EQ(tracker->stats().delivered, 100U);
  EXPECT_EQ(tracker->stats().dead, 900U);
}

// Another's answer (407: a proxy wants a password) buries nothing, and is not hammered.
TEST_F(LaneFaults, AnAnswerThatIsNotTheVendorsKeepsEveryEventHoweverLongItLasts) {
  config.give_up_after = std::chrono::hours(1);
  restart();
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(407); });
  track_many(200, "n");
  const std::size_t hours = rounds(20U);
  run_for(std::chrono::hours(hours));
  EXPECT_EQ(tracker->stats().dead, 0U);
  EXPECT_EQ(tracker->stats().waiting, 200U);
  EXPECT_LT(http->requests().size(), hours * 3600 / 5) << "each lane asks four times a minute";
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  run_for(600s);
  EXPECT_EQ(tracker->stats().delivered, 200U);
}

// A day behind a proxy's page proves nothing against an event whose next request is not answered.
TEST_F(LaneFaults, TimeBehindAForeignAnswerGivesNothingUp) {
  config.give_up_after = std::chrono::hours(1);
  restart();
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(407); });
  track("n");
  run_for(std::chrono::hours(24));
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(503); });
  run_for(std::chrono::minutes(50));
  EXPECT_EQ(tracker->stats().dead, 0U);
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  run_for(600s);
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

// 2 Mbit/s: four requests of a megabyte at once do not end within fifteen seconds.
class OnASlowLink : public LaneFaults {
 protected:
  void start_on(double bytes_per_second) {
    tracker.reset();
    link = std::make_shared<SlowLink>(clock, bytes_per_second);
    config.log_level = LogLevel::kWarn;
    tracker.emplace(Tracker::start(config.validate().value(),
                                   {.destination = vendor, .flags = flags},
                                   {.outbox = outbox,
                                    .http = link,
                                    .clock = clock,
                                    .random = seeded_random(7),
                                    .threads = false})
                        .value());
  }

  void run_until_delivered(std::size_t events, std::chrono::seconds most) {
    const SteadyTime end = clock->now() + most;
    for (int step = 0; clock->now() < end && tracker->stats().delivered < events; ++step) {
      ASSERT_LT(step, 200'000);
      const SteadyTime next = std::min(tracker->run_once(), link->next());
      if (next > clock->now()) clock->advance(next - clock->now());
    }
  }

  std::shared_ptr<SlowLink> link;
};

TEST_F(OnASlowLink, ABacklogArrivesAndLittleOfItTwice) {
  start_on(250'000);
  for (int i = 0; i < 8'000; ++i) {
    ASSERT_EQ(track(std::to_string(i) + std::string(1'000, 'x')), TrackStatus::kAccepted);
    if (i % 500 == 0) tracker->run_once();
  }
  run_until_delivered(8'000, 120s);  // at least 32 seconds on this link
  EXPECT_EQ(tracker->stats().delivered, 8'000U);
  EXPECT_EQ(tracker->stats().dead, 0U);
  EXPECT_LE(link->timeouts(), 8U);
}

TEST_F(OnASlowLink, AsSlowAsASixteenthOfThatItStillArrives) {
  start_on(16'000);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(track(std::to_string(i) + std::string(1'000, 'x')), TrackStatus::kAccepted);
  }
  run_until_delivered(1'000, 1'200s);  // at least 63 seconds
  EXPECT_EQ(tracker->stats().delivered, 1'000U);
}

}  // namespace
}  // namespace postbox::tests

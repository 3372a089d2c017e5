// What an operator does with events that are held because their family is switched off, by the
// whole engine.
#include <gmock/gmock.h>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>

#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HeldEventsTest : public EngineHarness {
 protected:
  void SetUp() override {
    start();
    hang(true);
    for (const char* text : {"order 1", "cart 2", "order 3"}) track(text);
    for (int i = 0; i < 20; ++i)
      track("order more " + std::to_string(i));  // beyond what is in flight
    flags = {{kNotes.queue, Flag::off()}, {kMemos.queue, Flag::on()}};
    hang(false);
    tracker.reset();  // before anything was sent
    start();
    run_for(seconds(5));
    ASSERT_THAT(bodies(), IsEmpty());
  }

  std::vector<std::string> texts(const HeldQuery& query = {}, std::size_t max = 1'000) {
    std::vector<std::string> found;
    const auto events = tracker->held_events(query, EventHandle{0}, max).value();
    for (const TypedHeldEvent& event : events) found.push_back(event.record.payload);
    return found;
  }
};

TEST_F(HeldEventsTest, AreListedAsTheyAreCounted) {
  EXPECT_EQ(tracker->stats().held, 23U);
  EXPECT_EQ(texts().size(), 23U);
  EXPECT_THAT(texts({.type = "cart"}), ElementsAre("cart 2"));
  EXPECT_THAT(texts({}, 2), ElementsAre("order 1", "cart 2"));
  EXPECT_THAT(texts({.queue = kMemos.queue}), IsEmpty());
  EXPECT_THAT(texts({.waits_for = minutes(1)}), IsEmpty());
}

TEST_F(HeldEventsTest, AreSentAlthoughTheirFamilyIsOff) {
  EXPECT_EQ(tracker->send_held({.type = "cart"}).value(), 1U);
  run_for(seconds(5));
  EXPECT_THAT(bodies(), ElementsAre("cart 2\n"));
  EXPECT_EQ(tracker->stats().held, 22U);
  EXPECT_EQ(tracker->send_held({}, 2).value(), 2U);
  run_for(seconds(5));
  EXPECT_THAT(bodies(), ElementsAre("cart 2\n", "order 1\n", "order 3\n"));
  EXPECT_EQ(tracker->stats().held, 20U);
  EXPECT_EQ(track("order 4"), TrackStatus::kDisabled);
  EXPECT_EQ(tracker->send_held({}).value(), 20U);
  run_for(minutes(1));
  EXPECT_EQ(bodies().size(), 23U);
  EXPECT_EQ(tracker->stats().held, 0U);
  EXPECT_EQ(tracker->send_held({}).value(), 0U);
}

TEST_F(HeldEventsTest, AreSentAgainAfterAFailure) {
  int answers = 0;
  http->on_request(
      [&](const HttpRequest&) { return ScriptedHttpClient::answer(answers++ == 0 ? 503 : 202); });
  EXPECT_EQ(tracker->send_held({.type = "cart"}).value(), 1U);
  run_for(minutes(1));
  EXPECT_THAT(bodies(), ElementsAre("cart 2\n", "cart 2\n"));
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(HeldEventsTest, AReloadHoldsThemAgain) {
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(503); });
  EXPECT_EQ(tracker->send_held({}).value(), 23U);
  run_for(seconds(2));
  http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
  const std::size_t sent = bodies().size();
  ASSERT_TRUE(tracker->reload());
  run_for(minutes(10));
  EXPECT_EQ(bodies().size(), sent);
  EXPECT_EQ(tracker->stats().held, 23U);
}

TEST_F(HeldEventsTest, ArePurgedAndCounted) {
  EXPECT_EQ(tracker->purge_held({.type = "order"}).value(), 22U);
  EXPECT_THAT(texts(), ElementsAre("cart 2"));
  EXPECT_EQ(tracker->purge_held({}).value(), 1U);
  const Stats stats = tracker->stats();
  EXPECT_EQ(stats.held, 0U);
  EXPECT_EQ(stats.purged, 23U);
  EXPECT_TRUE(stats.conserved()) << describe(stats);
}

}  // namespace
}  // namespace postbox::tests

// Tracker::metrics(): what is counted by family, type, lane, outcome and cause, and what is
// measured.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/metrics_table.hpp"
#include "support/engine_harness.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

class MetricsTest : public EngineHarness {
 protected:
  void SetUp() override { start(); }

  void answer(const ScriptedHttpClient::Answer& answer) {
    http->on_request([=](const HttpRequest&) { return answer; });
  }

  [[nodiscard]] FamilyMetrics of(const Family& family) const {
    const auto metrics = tracker->metrics();
    return *std::ranges::find(metrics.families, family.queue, &FamilyMetrics::queue);
  }

  // Those with that outcome and cause, whatever their type.
  [[nodiscard]] std::uint64_t count(EventOutcome outcome, std::string_view cause) const {
    std::uint64_t events = 0;
    for (const OutcomeCount& row : tracker->metrics().outcomes) {
      if (row.outcome == outcome && row.cause == cause) events += row.events;
    }
    return events;
  }
};

TEST_F(MetricsTest, SayOfEachFamilyWhatWasOfferedAndWhereItIs) {
  flags[1].second = Flag::off();
  ASSERT_TRUE(tracker->reload());
  hang(true);
  EXPECT_EQ(track("a"), TrackStatus::kAccepted);
  EXPECT_EQ(track("b"), TrackStatus::kAccepted);
  EXPECT_EQ(track("c", "1", kMemos), TrackStatus::kDisabled);
  run_for(20s);
  const FamilyMetrics notes = of(kNotes);
  EXPECT_EQ(notes.family, kNotes.name);
  EXPECT_EQ(notes.flag, Flag::on());
  EXPECT_EQ(notes.accepted, 2U);
  EXPECT_EQ(notes.in_flight + notes.waiting, 2U);
  EXPECT_EQ(notes.oldest, 20s);
  const FamilyMetrics memos = of(kMemos);
  EXPECT_TRUE(memos.flag.is_off());
  EXPECT_EQ(memos.disabled, 1U);
  EXPECT_EQ(memos.accepted, 0U);
  EXPECT_EQ(memos.oldest, std::nullopt);
}

TEST_F(MetricsTest, SayWhatBecameOfEventsAndWhy) {
  track("fine");
  run_for(1s);
  answer(ScriptedHttpClient::answer(400));
  track("bad");
  run_for(1s);
  answer(ScriptedHttpClient::failure(TransportFault::kTimeout));
  track("late");
  run_for(100ms);
  EXPECT_EQ(count(EventOutcome::kDelivered, "HTTP 202"), 1U);
  EXPECT_EQ(count(EventOutcome::kDead, "HTTP 400"), 1U);
  EXPECT_GE(count(EventOutcome::kRetried, "time-out"), 1U);
  answer(ScriptedHttpClient::answer(401));
  run_for(1min);
  EXPECT_GE(count(EventOutcome::kPutOff, "HTTP 401"), 1U);
  const auto metrics = tracker->metrics();
  EXPECT_EQ(metrics.totals.delivered, 1U);
  EXPECT_EQ(metrics.totals.dead, 1U);
  for (const OutcomeCount& row : metrics.outcomes) {
    EXPECT_EQ(row.family, kNotes.name);
    EXPECT_FALSE(row.type.empty());
  }
}

TEST_F(MetricsTest, MeasureTheWayToTheDiskAndToTheVendor) {
  track("quick");
  run_for(1s);
  hang(true);
  track("slow");
  (void)tracker->run_once();
  clock->advance(8s);
  hang(false);
  run_for(1s);
  const auto metrics = tracker->metrics();
  EXPECT_EQ(metrics.in_call.count(), 2U);
  EXPECT_EQ(metrics.in_call.sum, 0us) << "the clock stands still meanwhile";
  EXPECT_EQ(metrics.to_disk.count(), 2U);
  EXPECT_EQ(metrics.to_disk.counts[0], 2U) << "the clock stands still meanwhile";
  EXPECT_EQ(metrics.to_delivery.count(), 2U);
  EXPECT_GE(metrics.to_delivery.sum, 8s);
  const auto ten_seconds = std::ranges::find(Histogram::kBounds, 10'000ms);
  EXPECT_EQ(metrics.to_delivery
                .counts[static_cast<std::size_t>(ten_seconds - Histogram::kBounds.begin())],
            1U);
}

TEST_F(MetricsTest, ShowLanesAsTheyAre) {
  track("a");
  run_for(1s);
  ASSERT_EQ(tracker->metrics().lanes.size(), 1U);
  EXPECT_EQ(tracker->metrics().lanes[0].closed_for, 0ms);
  answer(ScriptedHttpClient::answer(429, {}, {{"retry-after", "30"}}));
  track("b");
  run_for(1s);
  const auto lane = tracker->metrics().lanes[0];
  EXPECT_GT(lane.closed_for, 20s);
  EXPECT_TRUE(lane.is_probing);
  EXPECT_EQ(lane.in_flight, 0U);
}

// A vendor's or a shop's own names must not make the table grow without end.
TEST(MetricsTable, CountsBeyondAThousandRowsTogether) {
  MetricsTable table;
  const Family family{.queue = QueueId{1}, .name = "notes", .variable = "NOTES"};
  for (int i = 0; i < 2'500; ++i) {
    const std::string type = "type " + std::to_string(i);
    table.add_outcome({family.queue, type, "lane", EventOutcome::kDelivered, ""});
  }
  const auto metrics = table.read({&family, 1}, FlagSet{});
  EXPECT_EQ(metrics.outcomes.size(), 1'001U);
  std::uint64_t events = 0;
  for (const OutcomeCount& row : metrics.outcomes) events += row.events;
  EXPECT_EQ(events, 2'500U);
}

TEST(Histogram, PutsEachValueUnderTheFirstBoundThatIsNotBelow) {
  LiveHistogram live;
  live.add(2us, 2);
  live.add(7us, 1);
  live.add(-5ms, 1);
  live.add(240h, 1);
  const Histogram histogram = live.read();
  EXPECT_EQ(histogram.counts.front(), 3U) << "one of them when a clock was set back";
  EXPECT_EQ(histogram.counts[2], 1U);
  EXPECT_EQ(histogram.counts.back(), 1U);
  EXPECT_EQ(histogram.count(), 5U);
  EXPECT_EQ(histogram.sum, 240h + 11us);
}

TEST(StatsFields, HaveEveryMemberOnce) {
  Stats stats;
  for (const StatsField& field : kStatsFields) {
    EXPECT_EQ(stats.*field.member, 0U) << field.name;
    stats.*field.member = 1;
  }
  // All but `complete` and what stands behind it.
  EXPECT_GE(kStatsFields.size() * sizeof(std::uint64_t) + alignof(Stats), sizeof(Stats));
}

}  // namespace
}  // namespace postbox::tests

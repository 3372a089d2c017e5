#include "intake_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace postbox {
namespace {

using Answer = IntakeQueue::Answer;

std::vector<EventRecord> records(std::size_t n, std::size_t payload = 1) {
  std::vector<EventRecord> result(n);
  for (EventRecord& record : result) record.payload.assign(payload, 'x');
  return result;
}

Answer push(IntakeQueue& queue, std::size_t n, std::size_t payload = 1) {
  auto batch = records(n, payload);
  return queue.push(batch, WallTime{}).answer;
}

bool is_rung(Doorbell& bell) { return bell.wait(SteadyTime{}); }

TEST(IntakeQueue, RefusesWholeBatchesAtTheCapAndTakesThemAgainWhenDurable) {
  Doorbell bell;
  IntakeQueue queue(5, mebibytes(1), bell);
  EXPECT_EQ(push(queue, 3), Answer::kAccepted);
  EXPECT_EQ(push(queue, 3), Answer::kFull);
  const auto taken = queue.take().records;
  EXPECT_EQ(taken.size(), 3U);
  EXPECT_EQ(push(queue, 3), Answer::kFull) << "taken is not yet durable";
  queue.settle_durable(3, 3 * footprint(taken[0]));
  EXPECT_EQ(push(queue, 5), Answer::kAccepted);
  EXPECT_EQ(queue.pending(), 5U);
}

// An event that says nothing of others brings none.
TEST(IntakeQueue, ACallWithoutRecordsLeavesNothingToTake) {
  Doorbell bell;
  IntakeQueue queue(5, mebibytes(1), bell);
  EXPECT_EQ(push(queue, 0), Answer::kAccepted);
  EXPECT_TRUE(queue.is_empty());
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kAny));
}

TEST(IntakeQueue, CountsBytes) {
  Doorbell bell;
  IntakeQueue queue(100, kibibytes(1), bell);
  EXPECT_EQ(push(queue, 1, 600), Answer::kAccepted);
  EXPECT_EQ(push(queue, 1, 600), Answer::kFull);
}

TEST(IntakeQueue, ARefusedBatchStaysWithTheCaller) {
  Doorbell bell;
  IntakeQueue queue(1, mebibytes(1), bell);
  auto batch = records(2);
  EXPECT_EQ(queue.push(batch, WallTime{}).answer, Answer::kFull);
  EXPECT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch[0].payload, "x");
}

TEST(IntakeQueue, AClosedQueueRefusesButStillGivesWhatItHas) {
  Doorbell bell;
  IntakeQueue queue(5, mebibytes(1), bell);
  push(queue, 2);
  queue.close();
  EXPECT_EQ(push(queue, 1), Answer::kClosed);
  EXPECT_EQ(queue.take().records.size(), 2U);
  bell.wait(SteadyTime::max());  // returns at once
}

TEST(IntakeQueue, GivesABacklogInPiecesOfWholeCalls) {
  Doorbell bell;
  IntakeQueue queue(100'000, mebibytes(100), bell);
  for (int call = 0; call < 4'000; ++call) ASSERT_EQ(push(queue, 3), Answer::kAccepted);
  std::size_t taken = 0;
  while (!queue.is_empty()) {
    const std::size_t piece = queue.take().records.size();
    EXPECT_LE(piece, 4'000U);
    EXPECT_EQ(piece % 3, 0U);
    taken += piece;
  }
  EXPECT_EQ(taken, 12'000U);
  ASSERT_EQ(push(queue, 2, 5'000'000), Answer::kAccepted);
  ASSERT_EQ(push(queue, 2), Answer::kAccepted);
  EXPECT_EQ(queue.take().records.size(), 2U) << "bytes count, too";
}

TEST(IntakeQueue, TakesNoMoreThanTheStoreHasRoomFor) {
  Doorbell bell;
  IntakeQueue queue(100, mebibytes(1), bell);
  auto batch = records(1, 5'000);
  EXPECT_EQ(queue.push(batch, WallTime{}, IntakeQueue::Share::kAll, Bytes{10'000}).answer,
            Answer::kAccepted);
  batch = records(1, 5'000);
  EXPECT_EQ(queue.push(batch, WallTime{}, IntakeQueue::Share::kAll, Bytes{10'000}).answer,
            Answer::kFull);
}

TEST(IntakeQueue, DurabilityReachesExactlyTheCallersWhoseEventsAreStored) {
  Doorbell bell;
  IntakeQueue queue(10, mebibytes(1), bell);
  auto first = records(2);
  auto second = records(1);
  const auto one = queue.push(first, WallTime{});
  const auto two = queue.push(second, WallTime{});
  const auto past = SteadyTime{};
  EXPECT_FALSE(queue.wait_durable(one.sequence, past));
  queue.settle_durable(2, 0);
  EXPECT_TRUE(queue.wait_durable(one.sequence, past));
  EXPECT_FALSE(queue.wait_durable(two.sequence, past));
  std::thread waiting([&] { EXPECT_TRUE(queue.wait_durable(two.sequence, SteadyTime::max())); });
  queue.settle_durable(1, 0);
  waiting.join();
}

TEST(IntakeQueue, RingsForTheFirstEventOnce) {
  Doorbell bell;
  IntakeQueue queue(10, mebibytes(1), bell);
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kAny));
  std::thread writer([&] {
    bell.wait(SteadyTime::max());
    EXPECT_EQ(queue.take().records.size(), 1U);
  });
  push(queue, 1);
  writer.join();
  push(queue, 1);
  EXPECT_FALSE(is_rung(bell)) << "the writer is at work, and looks for itself";
  EXPECT_TRUE(queue.ring_for(IntakeQueue::Ring::kAny)) << "there is something already";
}

TEST(IntakeQueue, RingsForACommitWhenEnoughHasGatheredOrACallerWaits) {
  Doorbell bell;
  IntakeQueue queue(10'000, mebibytes(1), bell);
  push(queue, 1);
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kUrgent));
  push(queue, 1);
  EXPECT_FALSE(is_rung(bell));
  std::thread caller([&] { EXPECT_TRUE(queue.wait_durable(2, SteadyTime::max())); });
  bell.wait(SteadyTime::max());
  EXPECT_TRUE(queue.ring_for(IntakeQueue::Ring::kUrgent)) << "somebody still waits";
  queue.settle_durable(queue.take().records.size(), 0);
  caller.join();
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kUrgent));
  push(queue, 500);
  EXPECT_TRUE(is_rung(bell));
}

TEST(IntakeQueue, WhoIsInAHurryWakesTheWriterForWhatIsThereAndWhatComes) {
  Doorbell bell;
  IntakeQueue queue(10'000, mebibytes(1), bell);
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kUrgent));
  {
    const IntakeQueue::Hurry hurry(queue);
    EXPECT_FALSE(is_rung(bell)) << "there is nothing to write";
    EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kUrgent)) << "nor to go on with";
    push(queue, 1);
    EXPECT_TRUE(is_rung(bell));
    queue.settle_durable(queue.take().records.size(), 0);
  }
  EXPECT_FALSE(queue.ring_for(IntakeQueue::Ring::kUrgent));
  push(queue, 1);
  EXPECT_FALSE(is_rung(bell));
  const IntakeQueue::Hurry hurry(queue);
  EXPECT_TRUE(is_rung(bell));
}

TEST(IntakeQueue, RingsForACommitWhenTheCapsAreHalfUsed) {
  Doorbell bell;
  IntakeQueue few(10, mebibytes(1), bell);
  EXPECT_FALSE(few.ring_for(IntakeQueue::Ring::kUrgent));
  push(few, 4);
  EXPECT_FALSE(is_rung(bell));
  push(few, 1);
  EXPECT_TRUE(is_rung(bell));

  const Bytes one{footprint(records(1).front())};
  IntakeQueue small(10'000, Bytes{one.count * 10}, bell);
  EXPECT_FALSE(small.ring_for(IntakeQueue::Ring::kUrgent));
  push(small, 4);
  EXPECT_FALSE(is_rung(bell));
  push(small, 1);
  EXPECT_TRUE(is_rung(bell));
}

}  // namespace
}  // namespace postbox

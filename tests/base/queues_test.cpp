#include "base/queues.hpp"

#include <gtest/gtest.h>

namespace postbox {
namespace {

TEST(Queues, HasWhatWasAdded) {
  Queues queues;
  EXPECT_FALSE(queues.has(QueueId{1}));
  queues.add(Queues::of(QueueId{1}));
  queues.add(Queues::of(QueueId{62}));
  EXPECT_TRUE(queues.has(QueueId{1}));
  EXPECT_TRUE(queues.has(QueueId{62}));
  EXPECT_FALSE(queues.has(QueueId{2}));
  EXPECT_FALSE(queues.is_any());
}

TEST(Queues, ANumberWithoutAPlaceOfItsOwnStandsForAll) {
  for (const std::uint32_t number : {63U, 64U, 4'000'000'000U}) {
    EXPECT_TRUE(Queues::of(QueueId{number}).is_any());
    EXPECT_TRUE(Queues::any().has(QueueId{number}));
  }
}

}  // namespace
}  // namespace postbox

#include "send/batch_limit.hpp"

#include <gtest/gtest.h>

namespace postbox {
namespace {

using namespace std::chrono_literals;

constexpr Bytes kMost = mebibytes(4);

TEST(BatchLimit, BeginsWithWhatTheVendorTakes) { EXPECT_EQ(BatchLimit(kMost).limit(), kMost); }

TEST(BatchLimit, ARequestThatRanOutOfTimeHalvesItAndQuickOnesBringItBack) {
  BatchLimit batch(kMost);
  batch.refused(mebibytes(1));
  EXPECT_EQ(batch.limit(), kibibytes(512));
  batch.answered(kibibytes(500), 3s, 15s);
  EXPECT_EQ(batch.limit(), kibibytes(1'000));
  for (int i = 0; i < 10; ++i) batch.answered(batch.limit(), 100ms, 15s);
  EXPECT_EQ(batch.limit(), kMost);
}

TEST(BatchLimit, ARequestThatTookMostOfItsTimeIsTheLargest) {
  BatchLimit batch(kMost);
  batch.answered(kibibytes(600), 10s, 15s);
  EXPECT_EQ(batch.limit(), kibibytes(600));
}

TEST(BatchLimit, SmallRequestsSayNothingOfLargeOnes) {
  BatchLimit batch(kMost);
  batch.refused(mebibytes(1));
  batch.answered(kibibytes(1), 10ms, 15s);
  EXPECT_EQ(batch.limit(), kibibytes(512));
  batch.refused(kibibytes(1));
  batch.refused(kibibytes(1));
  EXPECT_EQ(batch.limit(), kibibytes(16)) << "an event of a kilobyte has more around it";
}

TEST(TimeAllowed, FollowsTheBytesUpToTheLease) {
  EXPECT_EQ(time_allowed(Bytes{0}, 15s, 45s), 15s);
  EXPECT_EQ(time_allowed(mebibytes(1), 15s, 45s), 31s);
  EXPECT_EQ(time_allowed(mebibytes(5), 15s, 45s), 45s);
  EXPECT_EQ(time_allowed(mebibytes(5), 15s, 10s), 15s);
}

}  // namespace
}  // namespace postbox

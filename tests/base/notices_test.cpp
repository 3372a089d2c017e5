#include "base/notices.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace postbox {
namespace {

TEST(Notices, AreTakenOnceInTheirOrder) {
  Notices notices;
  EXPECT_TRUE(notices.take().empty());
  notices.add("first");
  notices.add("second");
  notices.add("first");
  EXPECT_THAT(notices.take(), ::testing::ElementsAre("first", "second", "first"));
  EXPECT_TRUE(notices.take().empty());
}

TEST(Notices, TheFirst256AreKeptUntilTheyAreTaken) {
  Notices notices;
  for (int i = 0; i < 300; ++i) notices.add(std::to_string(i));
  const auto taken = notices.take();
  ASSERT_EQ(taken.size(), 256U);
  EXPECT_EQ(taken.back(), "255");
  notices.add("again");
  EXPECT_THAT(notices.take(), ::testing::ElementsAre("again")) << "there is room again";
}

TEST(Notices, NoneIsLostOrDoubledBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 60;  // all of them fit
  Notices notices;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kThreads; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) notices.add("line");
    });
  }
  std::size_t taken = notices.take().size();
  for (std::thread& caller : callers) caller.join();
  taken += notices.take().size();
  EXPECT_EQ(taken, static_cast<std::size_t>(kThreads * kEach));
}

}  // namespace
}  // namespace postbox

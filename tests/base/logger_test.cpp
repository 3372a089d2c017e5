#include "base/logger.hpp"

#include <gmock/gmock.h>

#include <postbox/testing/manual_clock.hpp>

namespace postbox {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class LoggerTest : public ::testing::Test {
 protected:
  std::vector<std::string> lines;
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  Logger logger{[this](LogLevel, std::string_view line) { lines.emplace_back(line); },
                LogLevel::kInfo, clock};
};

TEST_F(LoggerTest, ARepeatedLineIsWrittenOnceIn30SecondsWithACount) {
  for (int i = 0; i < 5; ++i) logger.log(LogLevel::kInfo, "same");
  EXPECT_THAT(lines, ElementsAre("same"));
  EXPECT_EQ(logger.next_report(), clock->now() + seconds(30));
  clock->advance(seconds(30));
  logger.log(LogLevel::kInfo, "same");
  EXPECT_THAT(lines, ElementsAre("same", "same (4 more in 30 seconds)"));
}

TEST_F(LoggerTest, CountsAreReportedAlsoWhenTheLineDoesNotComeAgain) {
  logger.log(LogLevel::kWarn, "same");
  logger.log(LogLevel::kWarn, "same");
  logger.report_repeats(false);
  EXPECT_THAT(lines, SizeIs(1));
  clock->advance(seconds(30));
  logger.report_repeats(false);
  EXPECT_THAT(lines, ElementsAre("same", "same (1 more in 30 seconds)"));
  EXPECT_EQ(logger.next_report(), SteadyTime::max());
}

TEST_F(LoggerTest, ALineThatComesSeldomIsAlwaysWritten) {
  for (int i = 0; i < 3; ++i) {
    logger.log(LogLevel::kInfo, "seldom");
    clock->advance(seconds(31));
  }
  EXPECT_THAT(lines, ElementsAre("seldom", "seldom", "seldom"));
}

TEST_F(LoggerTest, LinesThatDifferAreAllWrittenWithoutGrowingForEver) {
  for (int i = 0; i < 5'000; ++i) logger.log(LogLevel::kInfo, "user " + std::to_string(i));
  EXPECT_THAT(lines, SizeIs(5'000));
  clock->advance(seconds(31));
  logger.log(LogLevel::kInfo, "user 9999");
  logger.log(LogLevel::kInfo, "user 9999");
  EXPECT_THAT(lines, SizeIs(5'001)) << "old lines made room for new ones";
}

TEST_F(LoggerTest, LevelsBelowTheThresholdAreNotWritten) {
  logger.log(LogLevel::kDebug, "quiet");
  logger.set_level(LogLevel::kError);
  logger.log(LogLevel::kWarn, "quiet");
  logger.log(LogLevel::kError, "loud");
  logger.log(LogLevel::kOff, "nothing");
  EXPECT_THAT(lines, ElementsAre("loud"));
}

TEST(LoggerSink, AnExceptionIsCaughtAndCounted) {
  Logger logger{[](LogLevel, std::string_view) { throw 1; }, LogLevel::kInfo,
                std::make_shared<testing::ManualClock>()};
  logger.log(LogLevel::kInfo, "line");
  EXPECT_EQ(logger.sink_failures(), 1U);
}

}  // namespace
}  // namespace postbox

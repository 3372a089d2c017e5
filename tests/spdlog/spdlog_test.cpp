#include <gmock/gmock.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/ostream_sink.h>
#include <postbox/services.hpp>
#include <postbox/spdlog.hpp>

#include <klaviyo/klaviyo.hpp>
#include <mutex>
#include <sstream>
#include <stdexcept>

namespace postbox {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A logger that writes "<level> <line>" into a text.
struct Written {
  Written() {
    logger->set_pattern("%l %v");
    logger->set_level(::spdlog::level::trace);
  }

  std::ostringstream text;
  std::shared_ptr<::spdlog::logger> logger = std::make_shared<::spdlog::logger>(
      "shop", std::make_shared<::spdlog::sinks::ostream_sink_mt>(text));
};

TEST(LogTo, EveryLevelHasItsOwn) {
  Written written;
  const LogSink sink = log_to(written.logger);
  sink(LogLevel::kDebug, "one");
  sink(LogLevel::kInfo, "two");
  sink(LogLevel::kWarn, "three");
  sink(LogLevel::kError, "four");
  EXPECT_EQ(written.text.str(), "debug one\ninfo two\nwarning three\nerror four\n");
}

TEST(LogTo, ALineIsNoFormatString) {
  Written written;
  const LogSink sink = log_to(written.logger);
  for (const std::string_view line : {"{}", "{0} of {1}", "{:>99999999}", "{{", "}", "%s%n %v"}) {
    written.text.str("");
    sink(LogLevel::kInfo, line);
    EXPECT_EQ(written.text.str(), "info " + std::string(line) + "\n");
  }
}

TEST(LogTo, TakesTheLineAndNothingBehindIt) {
  Written written;
  constexpr std::string_view kText = "a line, and what follows";
  log_to(written.logger)(LogLevel::kInfo, kText.substr(0, 6));
  EXPECT_EQ(written.text.str(), "info a line\n");
}

TEST(LogTo, TheLoggersOwnLevelHoldsToo) {
  Written written;
  written.logger->set_level(::spdlog::level::warn);
  const LogSink sink = log_to(written.logger);
  sink(LogLevel::kInfo, "not written");
  sink(LogLevel::kWarn, "written");
  EXPECT_EQ(written.text.str(), "warning written\n");
}

TEST(LogTo, KeepsTheLogger) {
  Written written;
  const LogSink sink = log_to(std::move(written.logger));
  sink(LogLevel::kInfo, "still there");
  EXPECT_EQ(written.text.str(), "info still there\n");
}

TEST(LogTo, WithoutALoggerTheLinesGoToStandardError) {
  const LogSink sink = log_to(nullptr);
  ::testing::internal::CaptureStderr();
  sink(LogLevel::kWarn, "seen all the same");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), EndsWith("warn seen all the same\n"));
}

// A sink of spdlog's that cannot write.
template <class Exception>
class Throws : public ::spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const ::spdlog::details::log_msg& /*message*/) override {
    throw Exception("disk full");
  }
  void flush_() override {}
};

struct NoStandardException {
  explicit NoStandardException(const char* /*what*/) {}
};

// A tracker whose lines go to `logger`, after it has written one about an event.
postbox::Result<Tracker> started_with(std::shared_ptr<::spdlog::logger> logger) {
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.set(klaviyo::kPurchase, Flag::on());
  config.engine.outbox.url = "memory:";
  config.engine.log = log_to(std::move(logger));
  auto tracker = klaviyo::start(config, {.threads = false});
  if (!tracker) return tracker;
  tracker->track(klaviyo::order_placed({}));  // rejected, with a line
  tracker->run_once();
  return tracker;
}

TEST(LogTo, ATrackersLinesReachTheLogger) {
  Written written;
  const auto tracker = started_with(written.logger);
  ASSERT_TRUE(tracker);
  EXPECT_THAT(written.text.str(), HasSubstr("error Failed to send Klaviyo purchase event: "));
  EXPECT_EQ(tracker->stats().sink_failures, 0U);
}

TEST(LogTo, WhatASinkThrowsIsForTheLoggersErrorHandler) {
  auto logger =
      std::make_shared<::spdlog::logger>("shop", std::make_shared<Throws<std::runtime_error>>());
  std::string handled;
  logger->set_error_handler([&](const std::string& what) { handled = what; });
  const auto tracker = started_with(logger);
  ASSERT_TRUE(tracker);
  EXPECT_THAT(handled, StartsWith("disk full"));
  EXPECT_EQ(tracker->stats().sink_failures, 0U);
}

TEST(LogTo, WhatSpdlogLetsThroughIsCounted) {
  auto logger =
      std::make_shared<::spdlog::logger>("shop", std::make_shared<Throws<NoStandardException>>());
  const auto tracker = started_with(logger);
  ASSERT_TRUE(tracker);
  EXPECT_GT(tracker->stats().sink_failures, 0U);

  auto handled =
      std::make_shared<::spdlog::logger>("shop", std::make_shared<Throws<std::runtime_error>>());
  handled->set_error_handler([](const std::string& what) { throw std::runtime_error(what); });
  const auto other = started_with(handled);
  ASSERT_TRUE(other);
  EXPECT_GT(other->stats().sink_failures, 0U);
}

}  // namespace
}  // namespace postbox

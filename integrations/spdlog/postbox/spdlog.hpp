// log_to() makes a logger of spdlog the sink of Postbox's lines.
//
// Place:     where the settings are made: config.engine.log = postbox::log_to(logger). Needs
//            spdlog and links postbox::spdlog; nothing else of Postbox knows it.
// Threads:   the sink may be called from several threads at once, as the logger may when its own
//            sinks end in _mt.
// Lifetime:  the sink shares the logger.
// Failure:   spdlog hands a std::exception of its sinks to the logger's error handler; any other
//            exception, and one of the handler's, is caught and counted as LogSink has it.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <postbox/log.hpp>
#include <string_view>
#include <utility>

namespace postbox {
namespace detail {

[[nodiscard]] constexpr ::spdlog::level::level_enum spdlog_level(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return ::spdlog::level::debug;
    case LogLevel::kInfo:
      return ::spdlog::level::info;
    case LogLevel::kWarn:
      return ::spdlog::level::warn;
    case LogLevel::kError:
      return ::spdlog::level::err;
    case LogLevel::kOff:
      break;  // no line has it
  }
  return ::spdlog::level::off;
}

}  // namespace detail

// Both thresholds hold: Config::log_level of Postbox and the level of `logger`. A line is never
// read as a format string. Without a logger, such as spdlog::get() of a name that nobody has
// registered, the lines go to stderr_log().
//
//   config.engine.log = postbox::log_to(spdlog::default_logger());
[[nodiscard]] inline LogSink log_to(std::shared_ptr<::spdlog::logger> logger) {
  if (!logger) return stderr_log();
  return [logger = std::move(logger)](LogLevel level, std::string_view line) {
    logger->log(detail::spdlog_level(level), "{}", line);
  };
}

}  // namespace postbox

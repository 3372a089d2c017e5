// LogSink receives the few lines that Postbox writes.
//
// Place:     called by every stage; given once, in Config::log.
// Threads:   may be called from several threads at the same time.
// Lifetime:  called until Tracker::stop() has returned.
// Failure:   an exception from a sink is caught and counted (Stats::sink_failures).
#pragma once

#include <cstdint>
#include <string_view>

#include <postbox/callback.hpp>

namespace postbox {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };

// `line` holds no key, address, phone number or payload, and no line break. It is valid only
// during the call. A sink must return soon: the thread that delivers events waits for it.
using LogSink = Callback<void(LogLevel level, std::string_view line)>;

// Returns a sink that writes "<UTC time> <level> <line>" to standard error. The default.
[[nodiscard]] LogSink stderr_log();

}  // namespace postbox

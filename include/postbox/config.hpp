// Config is what a caller may set; ValidConfig is the only thing that the engine takes.
//
// Place:     read once, at start, on the caller's thread: no worker ever finds a bad option.
// Threads:   plain values.
// Lifetime:  plain values; nothing keeps a reference.
// Failure:   kInvalidConfig names the variable or field, the value and what is accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/callback.hpp>
#include <postbox/http_options.hpp>
#include <postbox/log.hpp>
#include <postbox/outbox_options.hpp>
#include <postbox/result.hpp>

namespace postbox {

class Environment;  // environment.hpp
enum class MissingFile : std::uint8_t;
template <class Config>
class BoundSetting;  // settings.hpp

// Parse "250ms", "10s", "60m", "72h", "30d"; a unit is required.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// Parse "4096B", "64KiB", "16MiB", "2GiB"; a unit is required.
[[nodiscard]] Result<Bytes> parse_bytes(std::string_view text);

struct Config {
  // Where events wait, and how much disk they may use. POSTBOX_OUTBOX, POSTBOX_MAX_DISK.
  OutboxOptions outbox;

  // The network. Timeouts hold for one request.
  HttpOptions http;

  // Called for each event that will not be delivered: one that track() rejected, and one that
  // became a dead letter (after a crash, perhaps twice). `type` is the vendor's name of it, "Placed
  // Order", `key` the caller's own id, such as the order's, and `reason` what the log says. On a
  // thread of the engine's, one call at a time; sending waits for it to return, track() does not.
  // An exception is caught and logged. May call the tracker, but not stop(). Beyond 1,000 rejected
  // events that wait for it, their number alone is logged. Unset by default.
  Callback<void(std::string_view type, std::string_view key, std::string_view reason)>
      on_undeliverable{};

  // Where log lines go. Defaults to standard error.
  LogSink log = stderr_log();

  // Lines below it are not written. POSTBOX_LOG_LEVEL: debug, info, warn, error, off.
  // Defaults to info.
  LogLevel log_level = LogLevel::kInfo;

  // Events waiting in memory for the disk; beyond it track() says kFull. Defaults to a million: the
  // bytes decide.
  std::size_t max_queued_events = 1'000'000;

  // Their bytes; none are taken before they are needed. POSTBOX_MAX_MEMORY. Defaults to 128 MiB:
  // twenty thousand orders of three lines that come in one go.
  Bytes max_queued_bytes = mebibytes(128);

  // How long what track() accepted may wait in memory for others to be written with it: what a
  // crash of the process may take. Each commit syncs the disk and costs as much for one event as
  // for many. track_durably(), flush() and stop() wait for none of it. POSTBOX_COMMIT_INTERVAL: 10
  // s at most; zero writes at once. Defaults to 50 ms.
  std::chrono::milliseconds commit_interval{50};

  // How long the outbox may still call an event leased that was delivered, so that many are settled
  // in one transaction: what a crash of the process lets be sent again, with the same bytes.
  // flush() and stop() wait for none of it. Zero settles at once. Unset: a second; at once without
  // Services::threads.
  std::optional<std::chrono::milliseconds> settle_interval{};

  // Requests in flight at once. Defaults to 16.
  std::size_t max_in_flight = 16;

  // How long a claimed event belongs to this process: at least twice http.total_timeout, a day at
  // most. Defaults to 60 s.
  std::chrono::milliseconds lease{60'000};

  // How long an event is tried, ten times at least, before it becomes a dead letter. Counts from
  // its first attempt; a replay begins anew. POSTBOX_GIVE_UP_AFTER. Defaults to 72 h.
  std::chrono::milliseconds give_up_after{std::chrono::hours(72)};

  // How long dead letters are kept. POSTBOX_RETENTION. Defaults to 30 days.
  std::chrono::milliseconds retention{std::chrono::hours(24 * 30)};

  // How often a parked destination (bad key, missing scope) is tried again. Defaults to 5 min.
  std::chrono::milliseconds probe_interval{std::chrono::minutes(5)};

  // The time that the destructor of a running Tracker gives stop(). Defaults to 2 s.
  std::chrono::milliseconds stop_timeout{2'000};

  // The table of the settings that have a variable.
  [[nodiscard]] static std::vector<BoundSetting<Config>> settings();

  // Set the fields that have a variable. Fails with kInvalidConfig and a line for each value that
  // does not parse; the others are set.
  [[nodiscard]] Result<void> apply(const Environment& environment);

  // Look whether the outbox's file can be there: its folder exists and can be written, and it is a
  // file itself, if it exists. Fails with kInvalidConfig, the path and what to do. Not a part of
  // validate(): a tracker starts without its disk, and waits for it.
  [[nodiscard]] Result<void> check_outbox() const;

  // True when the outbox is a store on the network, "SCHEME://…", whose backend is not in
  // `outbox.backends`. Reading the environment leaves it to the start to refuse that: the program
  // may add the backend in between.
  [[nodiscard]] bool lacks_backend() const;

  // Check every field; the error has a line for each that is out of range. In what is returned the
  // names of files are absolute, by the working directory of this moment, and the outbox's is
  // without links.
  [[nodiscard]] Result<class ValidConfig> validate() const;
};

// A Config whose every field is in range. Only Config::validate() makes one.
class ValidConfig {
 public:
  [[nodiscard]] const Config& operator*() const noexcept { return config_; }
  [[nodiscard]] const Config* operator->() const noexcept { return &config_; }

 private:
  friend struct Config;
  explicit ValidConfig(Config config) : config_(std::move(config)) {}

  Config config_;
};

}  // namespace postbox

// Config is what a caller may set; ValidConfig is the only thing that the engine takes.
//
// Place:     read once, at start, on the caller's thread: no worker ever finds a bad option.
// Threads:   plain values. Environment::load() reads the process's environment, which must not be
//            changed by another thread meanwhile.
// Lifetime:  plain values; nothing keeps a reference.
// Failure:   kInvalidConfig names the variable or field, the value and what is accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/http_client.hpp>
#include <postbox/log.hpp>
#include <postbox/outbox.hpp>
#include <postbox/result.hpp>

namespace postbox {

// The process's variables over those of an environment file, taken at one moment.
class Environment {
 public:
  // The way in which load() takes a file that is missing or empty.
  enum class Missing : std::uint8_t {
    kIsEmpty,  // take the process's variables alone
    kIsError,  // fail: the file was there before, so that it is being replaced, or was lost
  };

  // Read the file and the process's environment; a variable that stands in both has the process's
  // value. The file is a .env as other programs write it, too: NAME=VALUE, "export NAME=VALUE",
  // comments (#) and blank lines; values may be quoted with ', " or `, and have several lines then.
  // Nothing is expanded. Fails with kInvalidConfig when the file is in UTF-16, cannot be read or
  // changes all the time.
  [[nodiscard]] static Result<Environment> load(const std::string& file,
                                                Missing missing = Missing::kIsEmpty);

  // Read only `text`, in the file's format.
  [[nodiscard]] static Result<Environment> parse(std::string_view text);

  // Returns the value without what wraps it (see unwrapped()), or nothing when it is unset or
  // empty.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;

  // The same for a variable that matters: fails with kInvalidConfig, the name and the line when the
  // file wants to set it and its value cannot be read.
  [[nodiscard]] Result<std::optional<std::string>> read(std::string_view name) const;

  // The same for a secret, which may also stand in a file of its own: that of the variable
  // NAME_FILE, as secrets of Docker and Kubernetes are mounted. A relative path counts from the
  // folder of the environment file. Fails with kInvalidConfig when both variables are set, and when
  // the file cannot be read, is empty or has more than 64 KiB; names the variable and the path.
  [[nodiscard]] Result<std::optional<std::string>> read_secret(std::string_view name) const;

  // What the file has that was left out, as lines for a log: numbers of lines, never their text.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  // Whether there was a file with something in it.
  [[nodiscard]] bool has_file() const noexcept { return has_file_; }

  // Puts the working directory in front of a relative name: a file that is to be read again later
  // is that of now, wherever the process goes. Links stay and are followed at each reading.
  [[nodiscard]] static Result<std::string> absolute(const std::string& file);

 private:
  using Texts = std::map<std::string, std::string, std::less<>>;

  Texts values_;
  Texts troubles_;  // by name, what is wrong with the line that sets it
  std::vector<std::string> warnings_;
  std::string folder_;  // of the file, with the slash; empty for the working directory
  bool has_file_ = false;
};

// A setting's value without the blanks, ends of lines and invisible characters around it, and
// without the quotes that `docker run --env-file` and mounted secrets leave there. A part of
// `value`.
[[nodiscard]] std::string_view unwrapped(std::string_view value) noexcept;

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
  std::function<void(std::string_view type, std::string_view key, std::string_view reason)>
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

  // What the destructor of a running Tracker gives stop(). Defaults to 2 s.
  std::chrono::milliseconds stop_timeout{2'000};

  // Set the fields that have a variable. Fails with kInvalidConfig and a line for each value that
  // does not parse; the others are set.
  [[nodiscard]] Result<void> apply(const Environment& environment);

  // Look whether the outbox's file can be there: its folder exists and can be written, and it is a
  // file itself, if it exists. Fails with kInvalidConfig, the path and what to do. Not a part of
  // validate(): a tracker starts without its disk, and waits for it.
  [[nodiscard]] Result<void> check_outbox() const;

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

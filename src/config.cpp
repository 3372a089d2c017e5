#include <postbox/config.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "base/encryption_keys.hpp"
#include "base/file_name.hpp"
#include "base/not_accepted.hpp"
#include "base/setting_text.hpp"
#include "open_outbox.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

template <class Unit>
struct UnitName {
  std::string_view name;
  Unit size;
};

// The longest suffix that matches wins, so the tables list "ms" before "s" and "KiB" before "B".
constexpr std::array<UnitName<std::int64_t>, 5> kDurations{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<UnitName<std::int64_t>, 4> kSizes{
    {{"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"B", 1}}};

// A number and a unit, without overflow; nothing else.
template <std::size_t N>
std::optional<std::int64_t> parse_quantity(std::string_view text,
                                           const std::array<UnitName<std::int64_t>, N>& units) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc{} || number < 0) return std::nullopt;
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  for (const auto& unit : units) {
    if (suffix != unit.name) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.size) return std::nullopt;
    return number * unit.size;
  }
  return std::nullopt;
}

constexpr std::array<std::string_view, 5> kLogLevels{"debug", "info", "warn", "error", "off"};

Result<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLogLevels.size(); ++i) {
    if (text == kLogLevels[i]) return static_cast<LogLevel>(i);
  }
  return not_accepted(text, "debug, info, warn, error or off");
}

std::string show_log_level(LogLevel level) {
  const auto index = static_cast<std::size_t>(level);
  return std::string(index < kLogLevels.size() ? kLogLevels[index] : "unknown");
}

Result<std::string> parse_text(std::string_view text) { return std::string(text); }

// Behind the colon, too, there may be what wraps a value.
Result<std::string> parse_outbox(std::string_view url) {
  const std::string_view scheme = scheme_of(url);
  if (scheme.size() == url.size()) return std::string(url);
  return std::string(scheme) + ':' + std::string(unwrapped(url.substr(scheme.size() + 1)));
}

// The scheme alone where what follows may hold a password.
std::string show_outbox(const std::string& url) {
  OutboxOptions known;
  known.url = url;
  return place_of(known) ? url : as_it_is(std::string(scheme_of(url))) + ":";
}

Result<std::vector<std::string>> parse_encryption_keys(std::string_view text) {
  std::vector<std::string> keys = split_list(text);
  if (auto ok = check_encryption_keys(keys); !ok) return ok.error();
  return keys;
}

Result<void> check_max_disk(Bytes size) {
  if (size >= mebibytes(1)) return {};
  return not_accepted(in_bytes(size), "at least 1MiB");
}

Result<void> check_max_memory(Bytes size) {
  if (size >= kibibytes(64)) return {};
  return not_accepted(in_bytes(size), "at least 64KiB");
}

Result<void> check_commit_interval(milliseconds time) {
  if (time <= std::chrono::seconds(10)) return {};
  return not_accepted(in_ms(time), "at most 10s");
}

Result<void> check_give_up_after(milliseconds time) {
  if (time >= std::chrono::minutes(1)) return {};
  return not_accepted(in_ms(time), "at least 1m");
}

// A path alone is meant as a file.
Result<std::string> parse_spill(std::string_view text) {
  const OutboxBackend& file = sqlite_backend();
  if (text.empty()) return std::string();
  const std::string_view scheme = scheme_of(text);
  const bool has_scheme = scheme == file.scheme && scheme.size() < text.size();
  // The rest may hold a password.
  if (!has_scheme && text.substr(scheme.size()).starts_with(kOnNetwork)) {
    return not_accepted(scheme, std::string(file.accepted) + " or a path");
  }
  const std::string_view path = has_scheme ? text.substr(scheme.size() + 1) : text;
  return std::string(file.scheme) + ':' + std::string(unwrapped(path));
}

Result<void> check_spill(const std::string& url) {
  if (url.empty()) return {};
  if (const auto found = spill_place_of(url); !found) return found.error();
  return {};
}

// The working directory may be another one when the names are used, and in a child of fork().
Result<Config> with_absolute_names(Config config) {
  const auto outbox = place_of(config.outbox);
  if (!outbox) return outbox.error().with_context("POSTBOX_OUTBOX");
  const auto resolved = outbox->backend.resolve(outbox->place);
  if (!resolved) return resolved.error().with_context("POSTBOX_OUTBOX");
  config.outbox.url = std::string(outbox->backend.scheme) + ':' + *resolved;
  if (!config.outbox.spill.empty()) {
    const auto spill = spill_place_of(config.outbox.spill);
    if (!spill) return spill.error().with_context("POSTBOX_SPILL");
    const auto name = spill->backend.resolve(spill->place);
    if (!name) return name.error().with_context("POSTBOX_SPILL");
    config.outbox.spill = std::string(spill->backend.scheme) + ':' + *name;
  }
  if (!config.http.ca_file.empty()) {
    const auto name = absolute_name(config.http.ca_file);
    if (!name) return name.error().with_context("POSTBOX_CA_FILE");
    config.http.ca_file = *name;
  }
  return config;
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  // Ten thousand days keep every later sum of durations far from overflow.
  constexpr std::int64_t kMost = 10'000LL * 86'400'000LL;
  const auto quantity = parse_quantity(text, kDurations);
  if (!quantity || *quantity > kMost) {
    return not_accepted(text, "a number with a unit, such as 250ms, 10s, 60m, 72h or 30d");
  }
  return milliseconds(*quantity);
}

Result<Bytes> parse_bytes(std::string_view text) {
  const auto quantity = parse_quantity(text, kSizes);
  if (!quantity) {
    return not_accepted(text, "a number with a unit, such as 4096B, 64KiB, 16MiB or 2GiB");
  }
  return Bytes{static_cast<std::uint64_t>(*quantity)};
}

std::vector<BoundSetting<Config>> Config::settings() {
  constexpr std::string_view kOutbox = "The outbox";
  constexpr std::string_view kProcess = "The process";
  return {
      {{.variable = "POSTBOX_OUTBOX",
        .section = kOutbox,
        .about =
            "Where events wait until they are delivered. memory: is lost at exit, for tests. "
            "The folder must exist and be writable; ~ and $HOME are not expanded. A program that "
            "links postbox::postgres also takes postgres://USER@HOST/DATABASE.",
        .accepted = "sqlite:PATH or memory:",
        .default_value = "sqlite:postbox.db"},
       within(&Config::outbox, &OutboxOptions::url),
       &parse_outbox,
       &show_outbox},
      {{.variable = "POSTBOX_MAX_DISK",
        .section = kOutbox,
        .about = "The cap of what waits on disk; beyond it new events are refused as full.",
        .accepted = "a size of 1MiB or more, such as 64MiB or 2GiB",
        .default_value = "2GiB"},
       within(&Config::outbox, &OutboxOptions::max_disk),
       &parse_bytes,
       &in_bytes,
       &check_max_disk},
      {{.variable = "POSTBOX_SPILL",
        .section = kOutbox,
        .about = "A file on the server's own disk that takes events while the database of "
                 "POSTBOX_OUTBOX is away, and gives them to it when it is back. For an outbox in a "
                 "database alone. POSTBOX_MAX_DISK is the cap of it, too.",
        .accepted = "sqlite:PATH or a path, such as /var/lib/shop/spill.db"},
       within(&Config::outbox, &OutboxOptions::spill),
       &parse_spill,
       &or_none,
       &check_spill},
      {{.variable = "POSTBOX_MAX_MEMORY",
        .section = kOutbox,
        .about = "The cap of what waits in memory for the disk; beyond it new events are refused "
                 "as full.",
        .accepted = "a size of 64KiB or more, such as 16MiB",
        .default_value = "128MiB"},
       &Config::max_queued_bytes,
       &parse_bytes,
       &in_bytes,
       &check_max_memory},
      {{.variable = "POSTBOX_COMMIT_INTERVAL",
        .section = kOutbox,
        .about = "How long what track() accepted may wait in memory to be written to disk with "
                 "others: what a crash of the process may take, and no longer than that. "
                 "track_durably() waits for none of it.",
        .accepted = "a duration of 10s or less, such as 20ms; 0ms writes at once",
        .default_value = "50ms"},
       &Config::commit_interval,
       &parse_duration,
       &in_ms,
       &check_commit_interval},
      {{.variable = "POSTBOX_GIVE_UP_AFTER",
        .section = kOutbox,
        .about = "How long an event is tried, ten times at least, before it becomes a dead letter.",
        .accepted = "a duration of 1m or more, such as 24h or 3d",
        .default_value = "72h"},
       &Config::give_up_after,
       &parse_duration,
       &in_ms,
       &check_give_up_after},
      {{.variable = "POSTBOX_RETENTION",
        .section = kOutbox,
        .about = "How long dead letters are kept.",
        .accepted = "a duration, such as 72h or 30d",
        .default_value = "30d"},
       &Config::retention,
       &parse_duration,
       &in_ms},
      {{.variable = "POSTBOX_ENCRYPTION_KEY",
        .section = kOutbox,
        .about = "Encrypts what waits on disk, with AES-256-GCM. The first key encrypts, all "
                 "decrypt: put a new one before the old.",
        .accepted = "32 bytes as 64 hexadecimal digits (openssl rand -hex 32) or in base64, "
                    "several separated by commas",
        .is_secret = true},
       within(&Config::outbox, &OutboxOptions::encryption_keys),
       &parse_encryption_keys,
       &in_number,
       &check_encryption_keys},
      {{.variable = "POSTBOX_CA_FILE",
        .section = kProcess,
        .about = "A file of PEM certificates to trust in place of the system's, such as that of a "
                 "company's proxy.",
        .accepted = "a path"},
       within(&Config::http, &HttpOptions::ca_file),
       &parse_text,
       &or_none},
      {{.variable = "POSTBOX_LOG_LEVEL",
        .section = kProcess,
        .about = "Log lines below it are not written.",
        .accepted = "debug, info, warn, error or off",
        .default_value = "info",
        .is_reloadable = true},
       &Config::log_level,
       &parse_log_level,
       &show_log_level},
  };
}

Result<void> Config::apply(const Environment& environment) {
  std::vector<Error> errors;
  read_settings(settings(), environment, *this, errors);
  if (!errors.empty()) return joined(errors);
  return {};
}

Result<void> Config::check_outbox() const {
  const auto found = place_of(outbox);
  if (!found) return {};  // validate() says what is wrong
  const auto looked = found->backend.look(found->place);
  if (!looked) return looked.error().with_context("POSTBOX_OUTBOX");
  const auto spill = spill_place_of(this->outbox.spill);
  if (this->outbox.spill.empty() || !spill) return {};
  const auto beside = spill->backend.look(spill->place);
  if (!beside) return beside.error().with_context("POSTBOX_SPILL");
  return {};
}

bool Config::lacks_backend() const {
  const std::string_view scheme = scheme_of(outbox.url);
  return outbox.url.substr(scheme.size()).starts_with(kOnNetwork) &&
         std::ranges::find(outbox.backends, scheme, &OutboxBackend::scheme) ==
             outbox.backends.end();
}

Result<ValidConfig> Config::validate() const {
  std::vector<Error> errors;
  if (const auto found = place_of(outbox); !found) {
    errors.push_back(found.error().with_context("POSTBOX_OUTBOX"));
  }
  check_settings(settings(), *this, errors);
  if (const auto ok = check_spill_beside(outbox); !ok) {
    errors.push_back(ok.error().with_context("POSTBOX_SPILL"));
  }
  const auto check = [&errors](bool ok, std::string_view field, const std::string& value,
                               std::string_view accepted) {
    if (!ok) errors.push_back(not_accepted(value, accepted).with_context(field));
  };
  check(max_queued_events > 0, "max_queued_events", "0", "at least 1");
  check(max_in_flight > 0 && max_in_flight <= 1'000, "max_in_flight", std::to_string(max_in_flight),
        "1 to 1000");
  check(http.total_timeout >= milliseconds(100), "http.total_timeout", in_ms(http.total_timeout),
        "at least 100ms");
  check(lease >= 2 * http.total_timeout && lease <= std::chrono::hours(24), "lease", in_ms(lease),
        "24h at most, and at least twice http.total_timeout, " + in_ms(2 * http.total_timeout));
  const milliseconds settle = settle_interval.value_or(milliseconds{});
  check(settle >= milliseconds{} && settle <= std::chrono::minutes(1), "settle_interval",
        in_ms(settle), "0ms to 1m");
  check(probe_interval >= milliseconds(1'000), "probe_interval", in_ms(probe_interval),
        "at least 1000ms");
  if (!errors.empty()) return joined(errors);
  auto config = with_absolute_names(*this);
  if (!config) return config.error();
  return ValidConfig(*std::move(config));
}

}  // namespace postbox

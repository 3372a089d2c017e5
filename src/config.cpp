#include <postbox/config.hpp>

#include <array>
#include <charconv>
#include <limits>

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

Error bad_value(std::string_view value, std::string_view accepted) {
  return Error{ErrorCode::kInvalidConfig,
               "'" + std::string(value) + "' is not accepted; expected " + std::string(accepted)};
}

Result<LogLevel> parse_log_level(std::string_view text) {
  constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warn", "error", "off"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<LogLevel>(i);
  }
  return bad_value(text, "debug, info, warn, error or off");
}

Result<std::string> parse_text(std::string_view text) { return std::string(text); }

template <class T>
Result<void> read(const Environment& environment, std::string_view name,
                  Result<T> (*parse)(std::string_view), T& target) {
  const auto text = environment.get(name);
  if (!text) return {};
  auto value = parse(*text);
  if (!value) return value.error().with_context(name);
  target = *std::move(value);
  return {};
}

Error out_of_range(std::string_view field, const std::string& value, std::string_view accepted) {
  return bad_value(value, accepted).with_context(field);
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  // Ten thousand days keep every later sum of durations far from overflow.
  constexpr std::int64_t kMost = 10'000LL * 86'400'000LL;
  const auto quantity = parse_quantity(text, kDurations);
  if (!quantity || *quantity > kMost) {
    return bad_value(text, "a number with a unit, such as 250ms, 10s, 60m, 72h or 30d");
  }
  return milliseconds(*quantity);
}

Result<Bytes> parse_bytes(std::string_view text) {
  const auto quantity = parse_quantity(text, kSizes);
  if (!quantity) {
    return bad_value(text, "a number with a unit, such as 4096B, 64KiB, 16MiB or 2GiB");
  }
  return Bytes{static_cast<std::uint64_t>(*quantity)};
}

Result<void> Config::apply(const Environment& environment) {
  for (Result<void> step :
       {read(environment, "POSTBOX_OUTBOX", &parse_text, outbox.url),
        read(environment, "POSTBOX_MAX_DISK", &parse_bytes, outbox.max_disk),
        read(environment, "POSTBOX_MAX_MEMORY", &parse_bytes, max_queued_bytes),
        read(environment, "POSTBOX_GIVE_UP_AFTER", &parse_duration, give_up_after),
        read(environment, "POSTBOX_RETENTION", &parse_duration, retention),
        read(environment, "POSTBOX_CA_FILE", &parse_text, http.ca_file),
        read(environment, "POSTBOX_LOG_LEVEL", &parse_log_level, log_level)}) {
    if (!step) return step;
  }
  return {};
}

Result<ValidConfig> Config::validate() const {
  const auto text = [](milliseconds d) { return std::to_string(d.count()) + "ms"; };
  if (!outbox.url.starts_with("sqlite:") && outbox.url != "memory:") {
    const auto scheme = outbox.url.substr(0, outbox.url.find(':'));  // the rest may hold a password
    return out_of_range("POSTBOX_OUTBOX", scheme, "sqlite:PATH or memory:");
  }
  if (outbox.max_disk < mebibytes(1)) {
    return out_of_range("POSTBOX_MAX_DISK", std::to_string(outbox.max_disk.count) + "B",
                        "at least 1MiB");
  }
  if (max_queued_bytes < kibibytes(64)) {
    return out_of_range("POSTBOX_MAX_MEMORY", std::to_string(max_queued_bytes.count) + "B",
                        "at least 64KiB");
  }
  if (max_queued_events == 0) {
    return out_of_range("max_queued_events", "0", "at least 1");
  }
  if (max_in_flight == 0 || max_in_flight > 1'000) {
    return out_of_range("max_in_flight", std::to_string(max_in_flight), "1 to 1000");
  }
  if (http.total_timeout < milliseconds(100)) {
    return out_of_range("http.total_timeout", text(http.total_timeout), "at least 100ms");
  }
  if (lease < 2 * http.total_timeout) {
    return out_of_range("lease", text(lease),
                        "at least twice http.total_timeout, " + text(2 * http.total_timeout));
  }
  if (give_up_after < std::chrono::minutes(1)) {
    return out_of_range("POSTBOX_GIVE_UP_AFTER", text(give_up_after), "at least 1m");
  }
  if (probe_interval < milliseconds(1'000)) {
    return out_of_range("probe_interval", text(probe_interval), "at least 1000ms");
  }
  return ValidConfig(*this);
}

}  // namespace postbox

#include <postbox/config.hpp>

#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "base/file_name.hpp"
#include "base/not_accepted.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kFileScheme = "sqlite:";

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

Result<LogLevel> parse_log_level(std::string_view text) {
  constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warn", "error", "off"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<LogLevel>(i);
  }
  return not_accepted(text, "debug, info, warn, error or off");
}

Result<std::string> parse_text(std::string_view text) { return std::string(text); }

Result<std::string> parse_outbox(std::string_view url) {
  if (!url.starts_with(kFileScheme)) return std::string(url);
  return std::string(kFileScheme) + std::string(unwrapped(url.substr(kFileScheme.size())));
}

// A folder's name that a shell would replace: "$HOME", "${DATA}".
bool has_variable(std::string_view path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const char next = path[i + 1];
    const bool begins_name =
        next == '{' || next == '_' || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z');
    if (path[i] == '$' && begins_name && (i == 0 || path[i - 1] == '/')) return true;
  }
  return false;
}

// What is not meant as it stands there, and would become a file of that name somewhere.
Result<void> check_path(std::string_view path) {
  const auto refuse = [path](std::string_view why) {
    return not_accepted("sqlite:" + std::string(path),
                        "sqlite:PATH, such as sqlite:/var/lib/shop/postbox.db: " + std::string(why))
        .with_context("POSTBOX_OUTBOX");
  };
  if (path.empty()) return refuse("the path is missing");
  if (path.front() == '~') return refuse("~ is not expanded; write the whole path");
  if (has_variable(path)) return refuse("variables are not expanded; write the whole path");
  if (path.starts_with("//") && !path.starts_with("///")) {
    return refuse("there is no host; write sqlite:shop.db or sqlite:/folder/shop.db");
  }
  if (path.back() == '/') return refuse("it names a folder; name a file in it");
  return {};
}

template <class T>
Result<void> read(const Environment& environment, std::string_view name,
                  Result<T> (*parse)(std::string_view), T& target) {
  const auto text = environment.read(name);
  if (!text) return text.error();
  if (!*text) return {};
  auto value = parse(**text);
  if (!value) return value.error().with_context(name);
  target = *std::move(value);
  return {};
}

Error out_of_range(std::string_view field, const std::string& value, std::string_view accepted) {
  return not_accepted(value, accepted).with_context(field);
}

// The working directory may be another one when the names are used, and in a child of fork().
Result<Config> with_absolute_names(Config config) {
  std::string& url = config.outbox.url;
  const std::string path = url.starts_with(kFileScheme) ? url.substr(kFileScheme.size()) : "";
  // What is no path is refused by open_outbox().
  if (!path.empty() && path.front() != ':') {
    const auto name = resolved_name(path);
    if (!name) return name.error().with_context("POSTBOX_OUTBOX");
    url = std::string(kFileScheme) + *name;
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

Result<void> Config::apply(const Environment& environment) {
  std::vector<Error> errors;
  for (const Result<void>& step :
       {read(environment, "POSTBOX_OUTBOX", &parse_outbox, outbox.url),
        read(environment, "POSTBOX_MAX_DISK", &parse_bytes, outbox.max_disk),
        read(environment, "POSTBOX_MAX_MEMORY", &parse_bytes, max_queued_bytes),
        read(environment, "POSTBOX_GIVE_UP_AFTER", &parse_duration, give_up_after),
        read(environment, "POSTBOX_RETENTION", &parse_duration, retention),
        read(environment, "POSTBOX_CA_FILE", &parse_text, http.ca_file),
        read(environment, "POSTBOX_LOG_LEVEL", &parse_log_level, log_level)}) {
    if (!step) errors.push_back(step.error());
  }
  if (!errors.empty()) return joined(errors);
  return {};
}

Result<void> Config::check_outbox() const {
  if (!outbox.url.starts_with(kFileScheme)) return {};
  const std::string path = outbox.url.substr(kFileScheme.size());
  if (!check_path(path)) return {};  // validate() says what is wrong
  const auto name = resolved_name(path);
  if (!name) return name.error().with_context("POSTBOX_OUTBOX");
  if (const auto ok = check_writable(*name); !ok) {
    return ok.error().with_context("POSTBOX_OUTBOX");
  }
  return {};
}

Result<ValidConfig> Config::validate() const {
  std::vector<Error> errors;
  const auto check = [&errors](bool ok, std::string_view field, const std::string& value,
                               std::string_view accepted) {
    if (!ok) errors.push_back(out_of_range(field, value, accepted));
  };
  const auto text = [](milliseconds d) { return std::to_string(d.count()) + "ms"; };
  const auto size = [](Bytes bytes) { return std::to_string(bytes.count) + "B"; };
  check(outbox.url.starts_with(kFileScheme) || outbox.url == "memory:", "POSTBOX_OUTBOX",
        outbox.url.substr(0, outbox.url.find(':')),  // the rest may hold a password
        "sqlite:PATH or memory:");
  if (outbox.url.starts_with(kFileScheme)) {
    const auto path = check_path(std::string_view(outbox.url).substr(kFileScheme.size()));
    if (!path) errors.push_back(path.error());
  }
  check(outbox.max_disk >= mebibytes(1), "POSTBOX_MAX_DISK", size(outbox.max_disk),
        "at least 1MiB");
  check(max_queued_bytes >= kibibytes(64), "POSTBOX_MAX_MEMORY", size(max_queued_bytes),
        "at least 64KiB");
  check(max_queued_events > 0, "max_queued_events", "0", "at least 1");
  check(max_in_flight > 0 && max_in_flight <= 1'000, "max_in_flight", std::to_string(max_in_flight),
        "1 to 1000");
  check(http.total_timeout >= milliseconds(100), "http.total_timeout", text(http.total_timeout),
        "at least 100ms");
  check(lease >= 2 * http.total_timeout && lease <= std::chrono::hours(24), "lease", text(lease),
        "24h at most, and at least twice http.total_timeout, " + text(2 * http.total_timeout));
  check(give_up_after >= std::chrono::minutes(1), "POSTBOX_GIVE_UP_AFTER", text(give_up_after),
        "at least 1m");
  check(probe_interval >= milliseconds(1'000), "probe_interval", text(probe_interval),
        "at least 1000ms");
  if (!errors.empty()) return joined(errors);
  auto config = with_absolute_names(*this);
  if (!config) return config.error();
  return ValidConfig(*std::move(config));
}

}  // namespace postbox

#include <algorithm>
#include <array>
#include <klaviyo/families.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/settings.hpp>
#include <utility>

namespace klaviyo {
namespace {

std::string level_name(postbox::LogLevel level) {
  constexpr std::array<const char*, 5> kNames = {"debug", "info", "warn", "error", "off"};
  const auto index = static_cast<std::size_t>(level);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }
std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + "ms"; }
std::string in_bytes(postbox::Bytes size) { return std::to_string(size.count) + "B"; }

// The scheme alone where what follows may hold a password.
std::string shown_url(const std::string& url) {
  return url.starts_with("sqlite:") ? url : url.substr(0, url.find(':') + 1);
}

// What tells one secret from another and gives away neither.
std::string identity_of(std::string_view secret) {
  std::string text;
  if (!secret.empty()) append_hex64(hash_key({"setting", secret}), text);
  return text;
}

template <class Texts>
std::string joined(const Texts& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

// Of a kept_form(): ends each name and each value. No setting holds it.
constexpr char kEnd = '\0';

std::string_view take_part(std::string_view& text) {
  const std::string_view part = text.substr(0, text.find(kEnd));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

// Names are views of `text`.
std::vector<Setting> read_kept(std::string_view text) {
  std::vector<Setting> settings;
  while (!text.empty()) {
    const std::string_view name = take_part(text);
    settings.push_back({name, std::string(take_part(text))});
  }
  return settings;
}

std::string number_of(std::size_t count) {
  return count == 0 ? "none" : std::to_string(count) + " set";
}

class Table {
 public:
  void add(std::string_view name, std::string shown) {
    rows_.push_back({name, std::move(shown), {}, false});
  }
  void add_secret(std::string_view name, std::string shown, const std::string& value) {
    rows_.push_back({name, std::move(shown), identity_of(value), false});
  }
  void at_start(std::string_view name, std::string shown) {
    rows_.push_back({name, std::move(shown), {}, true});
  }
  void secret_at_start(std::string_view name, std::string shown, const std::string& value) {
    rows_.push_back({name, std::move(shown), identity_of(value), true});
  }
  [[nodiscard]] std::vector<Setting> take() { return std::move(rows_); }

 private:
  std::vector<Setting> rows_;
};

}  // namespace

std::vector<Setting> settings_of(const Config& config) {
  Table table;
  table.add_secret("KLAVIYO_API_KEY", masked_key(config.api_key), config.api_key);
  for (const postbox::Family& queue : every_queue(config.own_families)) {
    if (queue.queue == backfill_queue(queue.queue)) continue;
    table.add(queue.variable, config.flag(queue).to_string());
  }
  table.add("KLAVIYO_API_URL", config.api_url);
  table.add("KLAVIYO_REVISION", config.revision);
  table.add("KLAVIYO_QUOTA_SHARE", config.quota_share.to_string());
  std::vector<std::string> names;
  for (const auto& [from, to] : config.metric_names) names.push_back(from + "=" + to);
  table.at_start("KLAVIYO_METRIC_NAMES", or_none(joined(names)));
  table.at_start("KLAVIYO_DISABLED_METRICS", or_none(joined(config.disabled_metrics)));
  table.at_start("KLAVIYO_DEFAULT_COUNTRY", or_none(config.default_country));
  table.at_start("VITE_APP_URL", or_none(config.app_url));
  table.at_start("KLAVIYO_CART_ABANDONED_AFTER", in_ms(config.cart_abandoned_after));
  table.at_start("KLAVIYO_CART_QUIET_TIME", in_ms(config.cart_quiet_time));
  table.secret_at_start("KLAVIYO_RECOVERY_SECRET", number_of(config.recovery_secrets.size()),
                        joined(config.recovery_secrets));
  const postbox::Config& engine = config.engine;
  table.at_start("POSTBOX_OUTBOX", shown_url(engine.outbox.url));
  table.at_start("POSTBOX_MAX_DISK", in_bytes(engine.outbox.max_disk));
  table.at_start("POSTBOX_MAX_MEMORY", in_bytes(engine.max_queued_bytes));
  table.at_start("POSTBOX_GIVE_UP_AFTER", in_ms(engine.give_up_after));
  table.at_start("POSTBOX_RETENTION", in_ms(engine.retention));
  table.at_start("POSTBOX_CA_FILE", or_none(engine.http.ca_file));
  table.add("POSTBOX_LOG_LEVEL", level_name(engine.log_level));
  return table.take();
}

std::vector<std::string> changes_between(std::span<const Setting> old, std::span<const Setting> now,
                                         bool needs_restart) {
  std::vector<std::string> lines;
  for (const Setting& after : now) {
    const auto before = std::ranges::find(old, after.name, &Setting::name);
    if (after.needs_restart != needs_restart || before == old.end()) continue;
    if (before->shown == after.shown && before->identity == after.identity) continue;
    lines.push_back(std::string(after.name) + " " + before->shown + " -> " + after.shown +
                    (before->shown == after.shown ? " (another)" : ""));
  }
  return lines;
}

std::string kept_form(std::span<const Setting> settings) {
  std::string text;
  for (const Setting& setting : settings) {
    text.append(setting.name).append(1, kEnd).append(setting.shown).append(1, kEnd);
  }
  return text;
}

std::vector<std::string> changes_since(std::string_view before, std::string_view now) {
  return changes_between(read_kept(before), read_kept(now), false);
}

std::string in_a_line(std::span<const Setting> settings) {
  std::string line;
  for (const Setting& setting : settings) {
    if (!line.empty()) line += ", ";
    line.append(setting.name).append("=").append(setting.shown);
  }
  return line;
}

}  // namespace klaviyo

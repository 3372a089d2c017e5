#include <algorithm>
#include <klaviyo/settings.hpp>
#include <klaviyo/settings_history.hpp>
#include <postbox/schema.hpp>
#include <sstream>

namespace klaviyo {

using postbox::Result;

Result<std::vector<KeptSetting>> kept_settings(const postbox::Operator& outbox) {
  const auto text = outbox.kept(kKeptSettings);
  if (!text) return text.error();
  std::vector<KeptSetting> settings;
  for (const Setting& setting : read_kept(*text)) {
    settings.push_back({std::string(setting.name), setting.shown});
  }
  return settings;
}

Result<std::vector<ChangedSetting>> changed_settings(const postbox::Operator& outbox) {
  const auto text = outbox.kept(kKeptHistory);
  if (!text) return text.error();
  std::vector<ChangedSetting> changes;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    ChangedSetting change;
    if (!(words >> change.time >> change.name)) continue;
    std::getline(words >> std::ws, change.change);
    changes.push_back(std::move(change));
  }
  return changes;
}

std::string history_lines(postbox::WallTime now, const std::vector<std::string>& changes) {
  std::string time;
  postbox::append_time(now, time);
  std::string lines;
  for (std::string change : changes) {
    std::ranges::replace_if(
        change, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    lines += time + ' ' + change + '\n';
  }
  return lines;
}

}  // namespace klaviyo

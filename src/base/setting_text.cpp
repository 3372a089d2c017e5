#include "base/setting_text.hpp"

#include <algorithm>

#include "base/secret_text.hpp"

namespace postbox {

std::string as_it_is(const std::string& text) {
  return holds_key(text) ? "(looks like a secret)" : text;
}
std::string or_none(const std::string& text) { return text.empty() ? "none" : as_it_is(text); }
std::string in_number(const std::vector<std::string>& secrets) {
  return secrets.empty() ? "none" : std::to_string(secrets.size()) + " set";
}
std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + "ms"; }
std::string in_bytes(Bytes size) { return std::to_string(size.count) + "B"; }

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> values;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    values.emplace_back(unwrapped(text.substr(0, comma)));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return values;
}

std::string in_a_line(std::span<const SettingInForce> settings) {
  std::string line;
  for (const SettingInForce& setting : settings) {
    if (!line.empty()) line += ", ";
    line.append(setting.name).append("=").append(setting.shown);
  }
  return line;
}

std::vector<std::string> changes_between(std::span<const SettingInForce> old,
                                         std::span<const SettingInForce> now, bool needs_restart) {
  std::vector<std::string> lines;
  for (const SettingInForce& after : now) {
    const auto before = std::ranges::find(old, after.name, &SettingInForce::name);
    if (after.needs_restart != needs_restart || before == old.end()) continue;
    if (before->shown == after.shown && before->identity == after.identity) continue;
    lines.push_back(std::string(after.name) + " " + before->shown + " -> " + after.shown +
                    (before->shown == after.shown ? " (another)" : ""));
  }
  return lines;
}

}  // namespace postbox

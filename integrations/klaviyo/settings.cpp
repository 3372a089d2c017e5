#include <algorithm>
#include <klaviyo/settings.hpp>

#include "base/setting_text.hpp"

namespace klaviyo {
namespace {

// Of a kept_form(): ends each name and each value. No setting holds it.
constexpr char kEnd = '\0';

std::string_view take_part(std::string_view& text) {
  const std::string_view part = text.substr(0, text.find(kEnd));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

}  // namespace

std::vector<Setting> settings_of(const Config& config) {
  std::vector<Setting> in_force;
  postbox::add_in_force(Config::settings(config.own_families), config, in_force);
  postbox::add_in_force(postbox::Config::settings(), config.engine, in_force);
  return in_force;
}

std::string kept_form(std::span<const Setting> settings) {
  std::string text;
  for (const Setting& setting : settings) {
    text.append(setting.name).append(1, kEnd).append(setting.shown).append(1, kEnd);
  }
  return text;
}

std::vector<Setting> read_kept(std::string_view text) {
  std::vector<Setting> settings;
  while (!text.empty()) {
    const std::string_view name = take_part(text);
    settings.push_back({name, std::string(take_part(text))});
  }
  return settings;
}

std::vector<std::string> changes_since(std::string_view before, std::string_view now) {
  return postbox::changes_between(read_kept(before), read_kept(now), false);
}

}  // namespace klaviyo

#include "profile_store.hpp"

#include <algorithm>

#include "ids.hpp"

namespace sim {
namespace {

std::string identifier_key(const std::string& name, std::string value) {
  if (name == "email") {
    std::transform(value.begin(), value.end(), value.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
  }
  return name + ':' + value;
}

std::optional<std::string> key_in(const Json& attributes, const char* name) {
  const auto found = attributes.find(name);
  if (found == attributes.end() || !found->is_string()) return std::nullopt;
  return identifier_key(name, found->get<std::string>());
}

bool is_identifier(const std::string& name) {
  return std::find(kIdentifiers.begin(), kIdentifiers.end(), name) != kIdentifiers.end();
}

// `location` and `properties` are merged member by member.
void merge_members(Json& target, const Json& source, bool null_clears) {
  if (!target.is_object()) target = Json::object();
  for (const auto& [name, value] : source.items()) {
    if (!value.is_null()) {
      target[name] = value;
    } else if (null_clears) {
      target.erase(name);
    }
  }
}

}  // namespace

std::optional<std::size_t> ProfileStore::find(const std::string& name,
                                              const std::string& value) const {
  const auto found = by_identifier_.find(identifier_key(name, value));
  if (found == by_identifier_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::size_t> ProfileStore::find(const ProfileInput& input) const {
  if (input.id) return find("id", *input.id);
  return find_conflict(std::nullopt, input);
}

std::optional<std::size_t> ProfileStore::find_conflict(std::optional<std::size_t> index,
                                                       const ProfileInput& input) const {
  for (const char* name : kIdentifiers) {
    const auto key = key_in(input.attributes, name);
    if (!key) continue;
    const auto found = by_identifier_.find(*key);
    if (found != by_identifier_.end() && found->second != index) return found->second;
  }
  return std::nullopt;
}

std::size_t ProfileStore::create(std::chrono::sys_seconds now) {
  const std::size_t index = profiles_.size();
  Profile profile;
  profile.id = make_profile_id(index + 1);
  profile.created = now;
  profile.updated = now;
  by_identifier_[identifier_key("id", profile.id)] = index;
  by_creation_.emplace(PageKey{now.time_since_epoch().count(), index}, index);
  profiles_.push_back(std::move(profile));
  return index;
}

void ProfileStore::merge(std::size_t index, const Json& attributes, bool null_clears,
                         std::chrono::sys_seconds now) {
  Profile& profile = profiles_[index];
  profile.updated = now;
  for (const auto& [name, value] : attributes.items()) {
    if (name == "meta" || (value.is_null() && !null_clears)) continue;
    if (is_identifier(name)) {
      set_identifier(index, name, value);
    } else if (value.is_object()) {
      merge_members(profile.attributes[name], value, null_clears);
    } else if (value.is_null()) {
      profile.attributes.erase(name);
    } else {
      profile.attributes[name] = value;
    }
  }
}

void ProfileStore::unset(std::size_t index, const std::vector<std::string>& names) {
  const auto properties = profiles_[index].attributes.find("properties");
  if (properties == profiles_[index].attributes.end() || !properties->is_object()) return;
  for (const std::string& name : names) properties->erase(name);
}

void ProfileStore::set_identifier(std::size_t index, const std::string& name, const Json& value) {
  Json& attributes = profiles_[index].attributes;
  if (value.is_string()) {
    const auto [entry, is_new] =
        by_identifier_.emplace(identifier_key(name, value.get<std::string>()), index);
    if (entry->second != index) return;
    if (is_new) {
      const auto old = key_in(attributes, name.c_str());
      if (old) by_identifier_.erase(*old);
    }
    attributes[name] = value;
  } else {
    const auto old = key_in(attributes, name.c_str());
    if (old) by_identifier_.erase(*old);
    attributes.erase(name);
  }
}

void ProfileStore::remove(std::size_t index) {
  Profile& profile = profiles_[index];
  std::erase_if(by_identifier_, [index](const auto& entry) { return entry.second == index; });
  by_creation_.erase(PageKey{profile.created.time_since_epoch().count(), index});
  profile.attributes = Json::object();
  profile.subscriptions.clear();
  profile.lists.clear();
}

void ProfileStore::note_event(std::size_t index, std::chrono::sys_seconds time) {
  auto& last = profiles_[index].last_event;
  if (!last || *last < time) last = time;
}

void ProfileStore::clear() {
  profiles_.clear();
  by_identifier_.clear();
  by_creation_.clear();
}

}  // namespace sim

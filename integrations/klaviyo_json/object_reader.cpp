#include "object_reader.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include <postbox/rfc3339.hpp>

namespace checkout {
namespace {

using nlohmann::json;

std::string expected(std::string_view what, const json& found) {
  return "must be " + std::string(what) + ", found " + found.type_name();
}

bool is_word(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && name.size() <= 64 && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

std::string property_path(std::string_view name, std::size_t index) {
  if (is_word(name)) return "properties." + std::string(name);
  return "properties[" + std::to_string(index) + "]";
}

const json* ObjectReader::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string ObjectReader::child(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void ObjectReader::reject(std::string path, std::string rule) const {
  violations_.push_back({std::move(path), std::move(rule)});
}

void ObjectReader::require(std::string_view name) const {
  if (find(name) == nullptr) reject(child(name), "is required");
}

std::optional<std::string> ObjectReader::text(const json& value, const std::string& path) const {
  if (const auto* text = value.get_ptr<const std::string*>()) return *text;
  reject(path, expected("a string", value));
  return std::nullopt;
}

// Amounts are never floating point, not even 12.0: that is how 19.99 becomes 1998 somewhere else.
std::optional<std::int64_t> ObjectReader::integer(const json& value,
                                                  const std::string& path) const {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (const auto* number = value.get_ptr<const json::number_unsigned_t*>()) {
    if (*number <= kMax) return static_cast<std::int64_t>(*number);
    reject(path, "must fit in 64 bits");
  } else if (const auto* signed_number = value.get_ptr<const json::number_integer_t*>()) {
    return *signed_number;
  } else if (value.is_number_float()) {
    reject(path, "must be an integer of at most 64 bits, without a decimal point or exponent");
  } else {
    reject(path, expected("an integer", value));
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> ObjectReader::texts(const json& value,
                                                            const std::string& path) const {
  if (!value.is_array()) {
    reject(path, expected("a list of strings", value));
    return std::nullopt;
  }
  std::vector<std::string> list;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (auto item = text(value[i], path + "[" + std::to_string(i) + "]")) {
      list.push_back(*std::move(item));
    }
  }
  return list.size() == value.size() ? std::optional(std::move(list)) : std::nullopt;
}

std::optional<klaviyo::PropertyValue> ObjectReader::property(const json& value,
                                                             const std::string& path) const {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return integer(value, path);
  if (value.is_array()) return texts(value, path);
  reject(path, expected("a boolean, an integer, a string or a list of strings", value));
  return std::nullopt;
}

bool ObjectReader::read_value(std::string_view name, std::int64_t& target) const {
  const json* value = find(name);
  if (value == nullptr) return false;
  const auto number = integer(*value, child(name));
  if (number) target = *number;
  return number.has_value();
}

bool ObjectReader::read_value(std::string_view name, klaviyo::MinorUnits& target) const {
  return read_value(name, target.count);
}

bool ObjectReader::read_value(std::string_view name, postbox::WallTime& target) const {
  std::string text;
  read(name, text);
  if (text.empty()) return false;
  const auto time = postbox::parse_rfc3339(text);
  if (!time) reject(child(name), "must be an RFC 3339 time such as 2026-11-22T10:00:00Z");
  if (time) target = *time;
  return time.has_value();
}

void ObjectReader::read(std::string_view name, std::string& target) const {
  const json* value = find(name);
  if (value == nullptr) return;
  if (auto found = text(*value, child(name))) target = *std::move(found);
}

void ObjectReader::read(std::string_view name, std::int64_t& target) const {
  read_value(name, target);
}

void ObjectReader::read(std::string_view name, klaviyo::MinorUnits& target) const {
  read_value(name, target);
}

// What is not a currency is kept: the check of the event says so.
void ObjectReader::read(std::string_view name, klaviyo::Currency& target) const {
  std::string code;
  read(name, code);
  target = klaviyo::Currency(std::string_view(code));
}

void ObjectReader::read(std::string_view name, klaviyo::Interval& target) const {
  std::string text;
  read(name, text);
  if (text.empty()) return;
  const auto interval = klaviyo::parse_interval(text);
  if (!interval) reject(child(name), "must be one of day, week, month, year");
  target = interval.value_or(target);
}

void ObjectReader::read(std::string_view name, klaviyo::ConsentUpdate::Verb& target) const {
  std::string text;
  read(name, text);
  if (text.empty()) return;
  if (text != "subscribe" && text != "unsubscribe") {
    reject(child(name), "must be one of subscribe, unsubscribe");
  }
  target = text == "subscribe" ? klaviyo::ConsentUpdate::Verb::kSubscribe
                               : klaviyo::ConsentUpdate::Verb::kUnsubscribe;
}

void ObjectReader::read(std::string_view name, std::vector<klaviyo::Channel>& target) const {
  using klaviyo::Channel;
  if (find(name) == nullptr) return;
  std::vector<std::string> texts;
  read(name, texts);
  target.clear();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i] == "email") {
      target.push_back(Channel::kEmail);
    } else if (texts[i] == "sms") {
      target.push_back(Channel::kSms);
    } else if (texts[i] == "whatsapp") {
      target.push_back(Channel::kWhatsApp);
    } else {
      reject(child(name) + "[" + std::to_string(i) + "]", "must be one of email, sms, whatsapp");
    }
  }
}

void ObjectReader::read(std::string_view name, std::vector<std::string>& target) const {
  const json* value = find(name);
  if (value == nullptr) return;
  if (auto list = texts(*value, child(name))) target = *std::move(list);
}

void ObjectReader::read(std::string_view name, std::vector<klaviyo::Property>& target) const {
  const json* members = find(name);
  if (members == nullptr) return;
  if (!members->is_object()) return reject(child(name), expected("an object", *members));
  std::size_t index = 0;
  for (const auto& [key, value] : members->items()) {
    const std::string path = property_path(key, index++);
    if (value.is_null()) continue;
    if (auto found = property(value, path)) target.push_back({key, *std::move(found)});
  }
}

void ObjectReader::object(std::string_view name, const Visit& visit) const {
  const json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_object()) return reject(child(name), expected("an object", *value));
  visit(ObjectReader(*value, child(name), violations_));
}

void ObjectReader::each(std::string_view name,
                        const std::function<void(const ObjectReader*)>& visit) const {
  const json* list = find(name);
  if (list == nullptr) return;
  if (!list->is_array()) return reject(child(name), expected("a list", *list));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const json& item = (*list)[i];
    const std::string path = child(name) + "[" + std::to_string(i) + "]";
    if (item.is_object()) {
      const ObjectReader reader(item, path, violations_);
      visit(&reader);
    } else {
      reject(path, expected("an object", item));
      visit(nullptr);
    }
  }
}

}  // namespace checkout

#include <algorithm>
#include <array>
#include <charconv>
#include <klaviyo_json/object_reader.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <postbox/rfc3339.hpp>

namespace klaviyo::detail {
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

// The shortest decimal that is this number, if it has no more digits than a Decimal.
std::optional<Decimal> exact_decimal(double number) {
  std::array<char, 32> text{};
  const auto written =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::scientific);
  std::string_view rest(text.data(), static_cast<std::size_t>(written.ptr - text.data()));
  const std::size_t end = rest.find('e');
  if (end == std::string_view::npos) return std::nullopt;  // no number, or infinite
  std::string digits(rest.substr(0, end));
  const std::size_t point = digits.find('.');
  int behind = 0;
  if (point != std::string::npos) {
    behind = static_cast<int>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  rest.remove_prefix(end + 1);
  if (rest.front() == '+') rest.remove_prefix(1);
  int exponent = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
  behind -= exponent;
  if (behind > Decimal::kMaxDigits || behind < -Decimal::kMaxDigits) return std::nullopt;
  if (behind < 0) digits.append(static_cast<std::size_t>(-behind), '0');
  Decimal decimal{.scaled = 0, .digits = std::max(behind, 0)};
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), decimal.scaled);
  return read.ec == std::errc() ? std::optional(decimal) : std::nullopt;
}

}  // namespace

std::string property_path(const std::string& parent, std::string_view name, std::size_t index) {
  if (is_word(name)) return parent + "." + std::string(name);
  return parent + "[" + std::to_string(index) + "]";
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

// A number that is no amount may have a fraction.
std::optional<Decimal> ObjectReader::decimal(const json& value, const std::string& path) const {
  if (const auto* number = value.get_ptr<const json::number_float_t*>()) {
    const auto decimal = exact_decimal(*number);
    if (!decimal) reject(path, "must be a number of at most 18 digits");
    return decimal;
  }
  if (!value.is_number()) {
    reject(path, expected("a number", value));
    return std::nullopt;
  }
  const auto number = integer(value, path);
  return number ? std::optional(Decimal{.scaled = *number, .digits = 0}) : std::nullopt;
}

std::optional<PropertyValue> ObjectReader::property(const json& value, const std::string& path,
                                                    std::size_t level) const {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return decimal(value, path);
  if (value.is_number()) return integer(value, path);
  if (value.is_object()) return properties(value, path, level + 1);
  if (value.is_array() && !value.empty() && value.front().is_object()) {
    return list_of_properties(value, path, level + 1);
  }
  if (value.is_array()) return texts(value, path);
  reject(path, expected("a boolean, a number, a string, an object or a list", value));
  return std::nullopt;
}

PropertyObject ObjectReader::properties(const json& members, const std::string& path,
                                        std::size_t level) const {
  PropertyObject found;
  if (level > kMaxLevels) {
    reject(path, "must not be nested more than " + std::to_string(kMaxLevels) + " levels deep");
    return found;
  }
  std::size_t index = 0;
  for (const auto& [name, value] : members.items()) {
    const std::string place = property_path(path, name, index++);
    if (value.is_null()) continue;
    if (auto read = property(value, place, level)) found.push_back({name, *std::move(read)});
  }
  return found;
}

std::vector<PropertyObject> ObjectReader::list_of_properties(const json& list,
                                                             const std::string& path,
                                                             std::size_t level) const {
  std::vector<PropertyObject> found;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    if (list[i].is_object()) {
      found.push_back(properties(list[i], place, level));
    } else {
      reject(place, expected("an object", list[i]));
    }
  }
  return found;
}

bool ObjectReader::read_value(std::string_view name, bool& target) const {
  const json* value = find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    reject(child(name), expected("true or false", *value));
    return false;
  }
  target = value->get<bool>();
  return true;
}

bool ObjectReader::read_value(std::string_view name, Decimal& target) const {
  const json* value = find(name);
  if (value == nullptr) return false;
  const auto number = decimal(*value, child(name));
  if (number) target = *number;
  return number.has_value();
}

bool ObjectReader::read_value(std::string_view name, std::int64_t& target) const {
  const json* value = find(name);
  if (value == nullptr) return false;
  const auto number = integer(*value, child(name));
  if (number) target = *number;
  return number.has_value();
}

bool ObjectReader::read_value(std::string_view name, MinorUnits& target) const {
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

void ObjectReader::read(std::string_view name, bool& target) const { read_value(name, target); }

void ObjectReader::read(std::string_view name, std::int64_t& target) const {
  read_value(name, target);
}

void ObjectReader::read(std::string_view name, MinorUnits& target) const {
  read_value(name, target);
}

// A string that is not a currency is kept: the check of the event says so.
void ObjectReader::read(std::string_view name, Currency& target) const {
  std::string code;
  read(name, code);
  target = Currency(std::string_view(code));
}

void ObjectReader::read(std::string_view name, Interval& target) const {
  std::string text;
  read(name, text);
  if (text.empty()) return;
  const auto interval = parse_interval(text);
  if (!interval) reject(child(name), "must be one of day, week, month, year");
  target = interval.value_or(target);
}

void ObjectReader::read(std::string_view name, ConsentUpdate::Verb& target) const {
  std::string text;
  read(name, text);
  if (text.empty()) return;
  if (text != "subscribe" && text != "unsubscribe") {
    reject(child(name), "must be one of subscribe, unsubscribe");
  }
  target =
      text == "subscribe" ? ConsentUpdate::Verb::kSubscribe : ConsentUpdate::Verb::kUnsubscribe;
}

void ObjectReader::read(std::string_view name, std::vector<Channel>& target) const {
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

void ObjectReader::read(std::string_view name, std::vector<Property>& target) const {
  const json* members = find(name);
  if (members == nullptr) return;
  if (!members->is_object()) return reject(child(name), expected("an object", *members));
  target = properties(*members, child(name), 1);
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

}  // namespace klaviyo::detail

#include <klaviyo/schemas/property.hpp>
#include <unordered_set>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;

void validate_name(const std::string& name, const Path& path, bool (*taken)(std::string_view),
                   std::vector<Violation>& violations) {
  postbox::validate(name, path, {.required = true}, violations);
  if (name.starts_with('$')) {
    violations.push_back({path.to_string(), "must not begin with \"$\", which Klaviyo reserves"});
  }
  if (taken(name)) {
    violations.push_back(
        {path.to_string(), "must not be \"" + name + "\", which the event's own field has"});
  }
}

void validate_value(const PropertyValue& value, const Path& path,
                    std::vector<Violation>& violations) {
  std::visit([&](const auto& v) { postbox::validate(v, path, {}, violations); }, value);
  if (const auto* money = std::get_if<Money>(&value)) {
    postbox::validate(money->currency, path.child("currency"), {.required = true}, violations);
  }
}

bool is_unset(const PropertyValue& value) {
  return std::visit([](const auto& v) { return postbox::is_empty(v); }, value);
}

bool is_zero(const PropertyValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number == 0;
  const auto* money = std::get_if<Money>(&value);
  return money != nullptr && money->minor == 0;
}

}  // namespace

void validate_properties(const std::vector<Property>& properties, std::size_t typed,
                         bool (*taken)(std::string_view), std::vector<Violation>& violations) {
  const Path root;
  const Path path = root.child("properties");
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const Path item = path.item(i);
    const Path name = item.child("name");
    validate_name(properties[i].name, name, taken, violations);
    validate_value(properties[i].value, item.child("value"), violations);
    if (!seen.insert(properties[i].name).second) {
      violations.push_back({name.to_string(), "must not repeat the name of another property"});
    }
  }
  if (const std::size_t found = properties.size() + typed; found > kMaxProperties) {
    violations.push_back({path.to_string(), "must be at most " + std::to_string(kMaxProperties) +
                                                " together with the event's own " +
                                                std::to_string(typed) + ", found " +
                                                std::to_string(found)});
  }
}

void find_ignored(const std::vector<Property>& properties, std::vector<Violation>& warnings) {
  const Path root;
  const Path path = root.child("properties");
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const bool zero = is_zero(properties[i].value);
    if (!zero && !is_unset(properties[i].value)) continue;
    warnings.push_back({path.item(i).child("value").to_string(),
                        zero ? "is zero, which Klaviyo reads as never set"
                             : "is empty and not sent: Klaviyo reads it as never set"});
  }
}

void write_properties(const std::vector<Property>& properties, bool first, std::string& out) {
  for (const Property& property : properties) {
    if (is_unset(property.value)) continue;
    if (!first) out += ',';
    first = false;
    postbox::append_string(property.name, out);
    out += ':';
    std::visit([&](const auto& value) { postbox::write_json(value, out); }, property.value);
  }
}

std::size_t json_size_hint(const std::vector<Property>& properties) noexcept {
  constexpr std::size_t kNumber = 32;
  std::size_t size = 0;
  for (const Property& property : properties) {
    size += property.name.size() + kNumber;
    if (const auto* text = std::get_if<std::string>(&property.value)) size += text->size();
    if (const auto* list = std::get_if<std::vector<std::string>>(&property.value)) {
      for (const std::string& item : *list) size += item.size() + 3;
    }
  }
  return size;
}

}  // namespace klaviyo

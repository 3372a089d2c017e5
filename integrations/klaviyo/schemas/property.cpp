#include <klaviyo/schemas/property.hpp>
#include <unordered_set>
#include <utility>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;

void validate_name(const std::string& name, bool may_be_extra, const Path& path,
                   bool (*taken)(std::string_view), std::vector<Violation>& violations) {
  postbox::validate(name, path, {.required = true}, violations);
  if (name.starts_with('$') && !(may_be_extra && name == kExtra)) {
    violations.push_back({path.to_string(), "must not begin with \"$\", which Klaviyo reserves"});
  }
  if (taken(name)) {
    violations.push_back(
        {path.to_string(), "must not be \"" + name + "\", which the event's own field has"});
  }
}

class PropertyCheck {
 public:
  PropertyCheck(bool of_event, bool (*taken)(std::string_view), std::vector<Violation>& violations)
      : of_event_(of_event), taken_(taken), violations_(violations) {}

  void visit(const PropertyObject& object, const Path& path, std::size_t level) {
    if (level > kMaxLevels) {
      violations_.push_back({path.to_string(), "must not be nested more than " +
                                                   std::to_string(kMaxLevels) + " levels deep"});
      return;
    }
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < object.size(); ++i) {
      const Path item = path.item(i);
      const Path name = item.child("name");
      // The names of typed fields are taken at the first level only.
      validate_name(
          object[i].name, of_event_ && level == 1, name,
          level == 1 ? taken_ : [](std::string_view) { return false; }, violations_);
      const Path value = item.child("value");
      std::visit([&](const auto& v) { check(v, value, level); }, object[i].value);
      if (!seen.insert(object[i].name).second) {
        violations_.push_back({name.to_string(), "must not repeat the name of another property"});
      }
    }
  }

 private:
  template <class T>
  void check(const T& value, const Path& path, std::size_t /*level*/) {
    postbox::validate(value, path, {}, violations_);
  }
  void check(const Money& money, const Path& path, std::size_t /*level*/) {
    postbox::validate(money.currency, path.child("currency"), {.required = true}, violations_);
  }
  void check(const PropertyObject& object, const Path& path, std::size_t level) {
    visit(object, path, level + 1);
  }
  void check(const std::vector<PropertyObject>& list, const Path& path, std::size_t level) {
    postbox::check_count(list.size(), path, {}, violations_);
    for (std::size_t i = 0; i < list.size(); ++i) visit(list[i], path.item(i), level + 1);
  }

  bool of_event_;
  bool (*taken_)(std::string_view);
  std::vector<Violation>& violations_;
};

bool is_left_out(const PropertyValue& value) {
  return std::visit([](const auto& v) { return postbox::is_empty(v); }, value);
}

struct Writer {
  template <class T>
  void operator()(const T& value) const {
    postbox::write_json(value, *out);
  }
  void operator()(const PropertyObject& object) const {
    *out += '{';
    write_properties(object, true, *out);
    *out += '}';
  }
  void operator()(const std::vector<PropertyObject>& list) const {
    *out += '[';
    std::string_view separator;
    for (const PropertyObject& object : list) {
      *out += std::exchange(separator, ",");
      (*this)(object);
    }
    *out += ']';
  }

  std::string* out;
};

}  // namespace

void validate_properties(const std::vector<Property>& properties, const Path& path,
                         bool (*taken)(std::string_view), std::vector<Violation>& violations) {
  PropertyCheck(false, taken, violations).visit(properties, path, 1);
}

void validate_properties(const std::vector<Property>& properties, std::size_t typed,
                         bool (*taken)(std::string_view), std::vector<Violation>& violations) {
  const Path root;
  const Path path = root.child("properties");
  PropertyCheck(true, taken, violations).visit(properties, path, 1);
  if (const std::size_t found = properties.size() + typed; found > kMaxProperties) {
    violations.push_back({path.to_string(), "must be at most " + std::to_string(kMaxProperties) +
                                                " together with the event's own " +
                                                std::to_string(typed) + ", found " +
                                                std::to_string(found)});
  }
}

void write_properties(const std::vector<Property>& properties, bool first, std::string& out) {
  for (const Property& property : properties) {
    if (is_left_out(property.value)) continue;
    if (!first) out += ',';
    first = false;
    postbox::append_string(property.name, out);
    out += ':';
    std::visit(Writer{&out}, property.value);
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

void postbox::JsonValue<klaviyo::Decimal>::validate(const klaviyo::Decimal& number,
                                                    const Path& path, const Rules&,
                                                    std::vector<Violation>& violations) {
  check_number(number.digits, path.child("digits"),
               {.minimum = 0, .maximum = klaviyo::Decimal::kMaxDigits}, violations);
}

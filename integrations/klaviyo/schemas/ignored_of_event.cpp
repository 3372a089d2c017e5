#include <klaviyo/schemas/ignored_of_event.hpp>
#include <string>
#include <variant>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;

bool is_unset(const PropertyValue& value) {
  return std::visit([](const auto& v) { return postbox::is_empty(v); }, value);
}

bool is_zero(const PropertyValue& value) {
  return std::visit([](const auto& v) { return what_is_ignored(v) == Ignored::kZero; }, value);
}

class Walk {
 public:
  Walk(const char* empty, std::vector<Violation>& warnings) : empty_(empty), warnings_(warnings) {}

  void visit(const PropertyObject& object, const Path& path) {
    for (std::size_t i = 0; i < object.size(); ++i) {
      const Path item = path.item(i);
      const Path value = item.child("value");
      if (is_unset(object[i].value)) {
        warnings_.push_back({value.to_string(), empty_});
      } else {
        look_into(object[i].value, value);
      }
    }
  }

 private:
  void look_into(const PropertyValue& value, const Path& path) {
    if (const auto* object = std::get_if<PropertyObject>(&value)) visit(*object, path);
    const auto* list = std::get_if<std::vector<PropertyObject>>(&value);
    if (list == nullptr) return;
    for (std::size_t i = 0; i < list->size(); ++i) visit((*list)[i], path.item(i));
  }

  const char* empty_;
  std::vector<Violation>& warnings_;
};

class Mended {
 public:
  explicit Mended(std::vector<Violation>& warnings) : warnings_(warnings) {}

  void visit(const PropertyObject& object, const Path& path) {
    for (std::size_t i = 0; i < object.size(); ++i) {
      const Path item = path.item(i);
      postbox::find_mended(object[i].name, item.child("name"), warnings_);
      const Path value = item.child("value");
      std::visit([&](const auto& v) { look_into(v, value); }, object[i].value);
    }
  }

 private:
  template <class T>
  void look_into(const T& value, const Path& path) {
    postbox::find_mended(value, path, warnings_);
  }
  void look_into(const PropertyObject& object, const Path& path) { visit(object, path); }
  void look_into(const std::vector<PropertyObject>& list, const Path& path) {
    for (std::size_t i = 0; i < list.size(); ++i) visit(list[i], path.item(i));
  }

  std::vector<Violation>& warnings_;
};

}  // namespace

void find_ignored(const std::vector<Property>& properties, const Path& path,
                  std::vector<Violation>& warnings) {
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const Path item = path.item(i);
    if (is_zero(properties[i].value)) warn(Ignored::kZero, item.child("value"), warnings);
  }
  Walk(kIsEmpty, warnings).visit(properties, path);
}

void find_ignored_of_profile(const std::vector<Property>& properties, const Path& path,
                             std::vector<Violation>& warnings) {
  Walk("is empty and not sent: the profile keeps the value that it has", warnings)
      .visit(properties, path);
}

void find_ignored_of_customer(const Profile& customer, const Path& path,
                              std::vector<Violation>& warnings) {
  if (has_phone_alone(customer)) {
    warnings.push_back({path.child("phone").to_string(),
                        "is all that the customer is known by: an account without SMS accepts the "
                        "event and drops it"});
  }
  if (!customer.unset.empty()) {
    warnings.push_back({path.child("unset").to_string(),
                        "is not sent with an event: identify() removes properties"});
  }
  if (customer.properties.empty()) return;
  find_ignored_of_profile(customer.properties, path.child("properties"), warnings);
}

void find_mended(const std::vector<Property>& properties, const Path& path,
                 std::vector<Violation>& warnings) {
  Mended(warnings).visit(properties, path);
}

void find_mended(const Profile& profile, const Path& path, std::vector<Violation>& warnings) {
  postbox::find_mended(profile, path, warnings);
  find_mended(profile.properties, path.child("properties"), warnings);
}

void find_ignored(const FlatLists& lists, std::vector<Violation>& warnings) {
  if (!lists.categories_cut) return;
  const std::string most = std::to_string(postbox::kMaxArrayItems);
  warnings.push_back({"items", "have more than " + most +
                                   " different categories: the property Categories has the first " +
                                   most + " of them"});
}

}  // namespace klaviyo

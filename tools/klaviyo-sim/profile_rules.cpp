#include "profile_rules.hpp"

#include <algorithm>
#include <string_view>

#include "property_rules.hpp"
#include "size_limits.hpp"

namespace sim {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_non_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool is_local_part(std::string_view text) {
  constexpr std::string_view kPunctuation = "!#$%&'*+/=?^_`{|}~-.";
  if (text.empty() || text.size() > 64 || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter(c) || is_digit(c) || is_non_ascii(c) ||
           kPunctuation.find(c) != std::string_view::npos;
  });
}

bool is_domain_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || is_non_ascii(c) || c == '-';
  });
}

bool is_domain(std::string_view text) {
  int labels = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!is_domain_label(label)) return false;
    ++labels;
    if (dot == std::string_view::npos) return labels > 1 && label.size() > 1;
    text.remove_prefix(dot + 1);
  }
}

void check_attribute_names(const FieldReader& attributes, ProfilePlace place) {
  std::vector<std::string_view> names = {
      "email",        "phone_number", "external_id", "_kx",   "first_name", "last_name",
      "organization", "locale",       "title",       "image", "location",   "properties"};
  if (place != ProfilePlace::kImport) names.push_back("anonymous_id");
  if (place == ProfilePlace::kEvent) names.push_back("meta");
  attributes.check_names(names, "profile");
}

// `meta` of a profile: what is done to properties that it has.
void read_patches(const FieldReader& owner, ProfileInput& profile) {
  const FieldReader meta = owner.object("meta");
  if (!meta.ok()) return;
  meta.check_names({"patch_properties", "patch_identifiers"}, "meta");
  const FieldReader patch = meta.object("patch_properties");
  if (!patch.ok()) return;
  patch.check_names({"append", "unappend", "unset"}, "patch_properties");
  const Json* unset = patch.find("unset");
  if (unset == nullptr) return;
  const Json names = unset->is_array() ? *unset : Json::array({*unset});
  for (const Json& name : names) {
    if (name.is_string()) {
      profile.unset.push_back(name.get<std::string>());
    } else {
      patch.note("unset", "Must be the name of a property, or a list of them.");
    }
  }
}

void check_identifiers(const FieldReader& attributes, const ProfileInput& profile,
                       std::vector<Problem>& problems) {
  bool identified = profile.id.has_value();
  for (const char* name : kIdentifiers) {
    const auto value = attributes.text(name);
    if (!value) {
      // A wrong type is noted already; one complaint is enough.
      identified = identified || attributes.find(name) != nullptr;
      continue;
    }
    identified = true;
    if (value->empty()) attributes.note(name, std::string("'") + name + "' must not be empty.");
  }
  if (!identified && attributes.ok()) {
    problems.push_back(invalid(attributes.pointer(),
                               "At least one profile identifier is required: id, email, "
                               "phone_number, external_id, anonymous_id or _kx."));
  }
}

void check_contact(const FieldReader& attributes) {
  const auto* email = attributes.find("email");
  if (email != nullptr && email->is_string()) {
    const auto& text = email->get_ref<const std::string&>();
    if (count_characters(text) >= kEmailCharsEnd) {
      attributes.note("email", "The email must have fewer than 100 characters.");
    } else if (!is_email(text)) {
      attributes.note("email", "Invalid email address.");
    }
  }
  const auto* phone = attributes.find("phone_number");
  if (phone != nullptr && phone->is_string() &&
      !is_phone_number(phone->get_ref<const std::string&>())) {
    attributes.note("phone_number", "Invalid phone number: it must have the E.164 form.");
  }
}

}  // namespace

ProfileInput read_profile(const FieldReader& resource, ProfilePlace place,
                          std::vector<Problem>& problems) {
  ProfileInput profile;
  if (!resource.ok()) return profile;
  resource.check_type("profile");
  profile.id = resource.text("id");
  const FieldReader attributes = resource.object("attributes", true);
  if (!attributes.ok()) return profile;
  profile.attributes = *resource.find("attributes");

  check_attribute_names(attributes, place);
  read_patches(place == ProfilePlace::kEvent ? attributes : resource, profile);
  check_identifiers(attributes, profile, problems);
  check_contact(attributes);
  for (const char* name : {"first_name", "last_name", "organization", "locale", "title", "image"}) {
    attributes.text(name);
  }
  attributes.object("location");
  const FieldReader properties = attributes.object("properties");
  if (properties.ok()) {
    check_values(*attributes.find("properties"), properties.pointer(), problems);
  }
  const std::size_t most =
      place == ProfilePlace::kImport ? kMaxImportProfileBytes : kMaxEventProfileBytes;
  if (to_text(profile.attributes).size() > most) {
    problems.push_back(invalid(
        resource.pointer(), "The profile must not exceed " + std::to_string(most / 1000) + " KB."));
  }
  return profile;
}

bool is_email(const std::string& text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string::npos) return false;
  const std::string_view view = text;
  return is_local_part(view.substr(0, at)) && is_domain(view.substr(at + 1));
}

// E.164: "+", a country code that does not begin with 0, at most 15 digits.
bool is_phone_number(const std::string& text) {
  if (text.size() < 8 || text.size() > 16 || text[0] != '+' || text[1] == '0') return false;
  return std::all_of(text.begin() + 1, text.end(), is_digit);
}

}  // namespace sim

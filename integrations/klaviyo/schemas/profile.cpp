#include <algorithm>
#include <array>
#include <klaviyo/hash.hpp>
#include <klaviyo/schemas/profile.hpp>

namespace klaviyo {
namespace {

using postbox::Violation;

constexpr std::string_view kBlanks = " \t\r\n\f\v";

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) { return is_upper(c) || (c >= 'a' && c <= 'z'); }
constexpr bool is_non_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
constexpr char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

void trim(std::string& text) {
  const std::string_view kept = trimmed(text);
  if (kept.size() != text.size()) text = std::string(kept);
}

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

// A top-level domain has at least two characters, and is no number.
bool is_top_level(std::string_view label) {
  return label.size() > 1 && !std::all_of(label.begin(), label.end(), is_digit);
}

bool is_domain(std::string_view text) {
  std::size_t labels = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!is_domain_label(label)) return false;
    ++labels;
    if (dot == std::string_view::npos) return labels > 1 && is_top_level(label);
    text.remove_prefix(dot + 1);
  }
}

bool is_identified(const Profile& profile) {
  return !profile.email.empty() || !profile.phone.empty() || !profile.external_id.empty() ||
         !profile.anonymous_id.empty() || !profile.kx.empty();
}

std::string lowered(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(), lower);
  return copy;
}

}  // namespace

std::string place_of(const postbox::Path& profile) {
  std::string place = profile.to_string();
  return place.empty() ? "profile" : place;
}

void normalize(Profile& profile) {
  trim(profile.email);
  trim(profile.phone);
  trim(profile.external_id);
  trim(profile.anonymous_id);
  trim(profile.kx);
  trim(profile.locale);
  profile.locale.resize(std::min(profile.locale.find('.'), profile.locale.size()));  // de_DE.UTF-8
  std::ranges::replace(profile.locale, '_', '-');
  std::transform(profile.email.begin(), profile.email.end(), profile.email.begin(), lower);
}

postbox::Key profile_key(const Profile& profile) {
  if (const auto email = trimmed(profile.email); !email.empty()) {
    // Builders have normalised it already; a copy is made only of what they have not seen.
    if (std::none_of(email.begin(), email.end(), is_upper)) return hash_key({"email", email});
    return hash_key({"email", lowered(email)});
  }
  if (const auto phone = trimmed(profile.phone); !phone.empty()) return hash_key({"phone", phone});
  if (const auto id = trimmed(profile.external_id); !id.empty()) {
    return hash_key({"external_id", id});
  }
  if (const auto id = trimmed(profile.anonymous_id); !id.empty()) {
    return hash_key({"anonymous_id", id});
  }
  if (const auto kx = trimmed(profile.kx); !kx.empty()) return hash_key({"_kx", kx});
  return hash_key({"external_id", {}});
}

void validate_profile(const Profile& profile, const postbox::Path& path,
                      std::vector<Violation>& violations) {
  postbox::validate(profile, path, violations);
  if (!is_identified(profile)) {
    violations.push_back(
        {place_of(path), "needs at least one of email, phone, external_id, anonymous_id and kx"});
  }
  // The values themselves are personal and stand in no message.
  if (!profile.email.empty()) {
    const std::string email = path.child("email").to_string();
    if (!is_email(profile.email)) {
      violations.push_back({email, "must be a valid e-mail address"});
    } else if (is_dropped_email(profile.email)) {
      violations.push_back({email,
                            "must not be at example.com or test.com: Klaviyo accepts such "
                            "an event and then drops it silently"});
    }
  }
  if (!profile.phone.empty() && !is_e164(profile.phone)) {
    violations.push_back({path.child("phone").to_string(),
                          "must have the E.164 form: \"+\", country code, 7 to 15 digits in all"});
  }
  if (profile.properties.empty()) return;
  validate_properties(
      profile.properties, path.child("properties"), [](std::string_view) { return false; },
      violations);
}

void write_profile(const Profile& profile, std::string& out) {
  out += R"({"type":"profile","attributes":{)";
  const bool first = postbox::write_members(profile, true, out);
  if (!profile.properties.empty()) {
    postbox::append_name("properties", first, out);
    out += '{';
    write_properties(profile.properties, true, out);
    out += '}';
  }
  out += "}}";
}

bool is_email(std::string_view text) noexcept {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return false;
  return is_local_part(text.substr(0, at)) && is_domain(text.substr(at + 1));
}

bool is_e164(std::string_view text) noexcept {
  if (text.size() < 8 || text.size() > 16 || text[0] != '+' || text[1] == '0') return false;
  return std::all_of(text.begin() + 1, text.end(), is_digit);
}

bool has_phone_alone(const Profile& profile) noexcept {
  return !profile.phone.empty() && profile.email.empty() && profile.external_id.empty() &&
         profile.anonymous_id.empty() && profile.kx.empty();
}

bool is_dropped_email(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 2> kDomains = {"@example.com", "@test.com"};
  return std::any_of(kDomains.begin(), kDomains.end(), [&](std::string_view domain) {
    return text.size() >= domain.size() &&
           std::equal(domain.begin(), domain.end(),
                      text.end() - static_cast<std::ptrdiff_t>(domain.size()),
                      [](char a, char b) { return a == lower(b); });
  });
}

}  // namespace klaviyo

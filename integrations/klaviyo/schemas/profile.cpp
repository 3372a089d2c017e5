#include <algorithm>
#include <array>
#include <klaviyo/ascii.hpp>
#include <klaviyo/email.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/phone.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <klaviyo/unicode.hpp>

namespace klaviyo {
namespace {

using postbox::Violation;

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) { return is_upper(c) || (c >= 'a' && c <= 'z'); }
constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

void trim(std::string& text) {
  const std::string_view kept = trimmed(text);
  if (kept.size() != text.size()) text = std::string(kept);
}

// The longest that Klaviyo takes.
constexpr std::size_t kMaxEmail = 99;
constexpr std::size_t kMaxId = 255;

constexpr std::string_view kPhoneRule =
    "must have the E.164 form, \"+\", country code, 7 to 15 digits in all, or be a national number "
    "of "
    "a known country";

// Beyond ASCII: what is seen and is no blank.
bool are_letters(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return is_ascii(c); })) return true;
  const std::u32string decoded = decode_utf8(text);
  return std::all_of(decoded.begin(), decoded.end(), [](char32_t c) {
    return c != kReplacement && !is_blank(c) && !is_invisible(c);
  });
}

bool is_local_part(std::string_view text) {
  constexpr std::string_view kPunctuation = "!#$%&'*+/=?^_`{|}~-.";
  if (text.empty() || text.size() > 64 || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return are_letters(text) && std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || is_digit(c) || !is_ascii(c) ||
                  kPunctuation.find(c) != std::string_view::npos;
         });
}

bool is_domain_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
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

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string too_long(std::string_view text, std::size_t most) {
  const std::size_t found = count_characters(text);
  if (found <= most) return {};
  return "must have at most " + std::to_string(most) + " characters, found " +
         std::to_string(found);
}

std::string id_problem(std::string_view id) { return too_long(id, kMaxId); }

struct Identifier {
  std::string Profile::*member;
  std::string_view name;
  std::string (*problem)(std::string_view);
};

// The strongest first.
constexpr std::array<Identifier, 5> kIdentifiers = {
    {{&Profile::email, "email", email_problem},
     {&Profile::phone, "phone", phone_problem},
     {&Profile::external_id, "external_id", id_problem},
     {&Profile::anonymous_id, "anonymous_id", id_problem},
     {&Profile::kx, "kx", id_problem}}};

// Whether Klaviyo would know by the identifier whose profile it is.
bool identifies(const Profile& profile, const Identifier& identifier) {
  const std::string& value = profile.*identifier.member;
  return !value.empty() && identifier.problem(value).empty();
}

// E.164 already, and certainly without the zero of "+44 (0)20".
bool is_plain_number(std::string_view phone) {
  return is_e164(phone) && phone.substr(1, 4).find('0') == std::string_view::npos;
}

void normalize_phone(std::string& phone, std::string_view country) {
  if (phone.empty() || is_plain_number(phone)) return;
  if (std::string number = to_e164(phone, country_code(country)); !number.empty()) {
    phone = std::move(number);
  } else {
    trim(phone);
  }
}

}  // namespace

std::string place_of(const postbox::Path& profile) {
  std::string place = profile.to_string();
  return place.empty() ? "profile" : place;
}

void normalize(Profile& profile) {
  std::vector<Violation> unheard;
  normalize(profile, {}, {}, unheard);
}

void normalize(Profile& profile, std::string_view country, const postbox::Path& path,
               std::vector<Violation>& changes) {
  if (!profile.email.empty()) {
    CleanEmail clean = clean_email(std::move(profile.email));
    profile.email = std::move(clean.address);
    if (!clean.warning.empty()) {
      changes.push_back({path.child("email").to_string(), std::string(clean.warning)});
    }
  }
  normalize_phone(profile.phone, country);
  trim(profile.external_id);
  trim(profile.anonymous_id);
  trim(profile.kx);
  trim(profile.locale);
  profile.locale.resize(std::min(profile.locale.find('.'), profile.locale.size()));  // de_DE.UTF-8
  std::ranges::replace(profile.locale, '_', '-');
}

bool is_settled(const Profile& profile) {
  return std::none_of(kIdentifiers.begin(), kIdentifiers.end(), [&](const Identifier& identifier) {
    return !identifier.problem(profile.*identifier.member).empty();
  });
}

void settle(Profile& profile, std::string_view country, const postbox::Path& path,
            std::vector<Violation>& changes) {
  normalize_phone(profile.phone, country);
  const bool has_one =
      std::any_of(kIdentifiers.begin(), kIdentifiers.end(),
                  [&](const Identifier& identifier) { return identifies(profile, identifier); });
  if (!has_one) return;
  for (const Identifier& identifier : kIdentifiers) {
    std::string& value = profile.*identifier.member;
    const std::string problem = identifier.problem(value);
    if (problem.empty()) continue;
    changes.push_back({path.child(identifier.name).to_string(), problem + ": it was left out"});
    value.clear();
  }
}

postbox::Key profile_key(const Profile& profile) {
  if (const auto email = trimmed(profile.email); !email.empty()) {
    // Builders have normalised it already; a copy is made only of what they have not seen.
    const bool is_clean = is_email(email) && std::all_of(email.begin(), email.end(), [](char c) {
                            return is_ascii(c) && !is_upper(c);
                          });
    if (is_clean) return hash_key({"email", email});
    return hash_key({"email", clean_email(std::string(email)).address});
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
  bool has_any = false;
  // The values themselves are personal and stand in no message.
  for (const Identifier& identifier : kIdentifiers) {
    const std::string& value = profile.*identifier.member;
    has_any = has_any || !value.empty();
    if (std::string problem = identifier.problem(value); !problem.empty()) {
      violations.push_back({path.child(identifier.name).to_string(), std::move(problem)});
    }
  }
  if (!has_any) {
    violations.push_back(
        {place_of(path), "needs at least one of email, phone, external_id, anonymous_id and kx"});
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

std::string email_problem(std::string_view email) {
  if (email.empty()) return {};
  if (!is_email(email)) return "must be a valid e-mail address";
  if (is_dropped_email(email)) {
    return "must not be at example.com or test.com: Klaviyo accepts such an event and then drops "
           "it silently";
  }
  return too_long(email, kMaxEmail);
}

std::string phone_problem(std::string_view phone) {
  return phone.empty() || is_e164(phone) ? std::string() : std::string(kPhoneRule);
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

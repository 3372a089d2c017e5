// The rules of a profile: the field tables, and what they cannot say.
//
// Place:     inside the integration: validate_profile() and what writes it.
// Threads:   constants.
// Lifetime:  constants.
// Failure:   see schema.hpp.
#pragma once

#include <cstddef>
#include <klaviyo/schemas/profile.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

// The path of a profile as a whole in violations: "profile" for one that is all of the caller's
// data.
[[nodiscard]] std::string place_of(const postbox::Path& profile);

// Check what the field table cannot: identifiers and their form, own properties. Violations are
// at `path`, as place_of() has it, or below.
void validate_profile(const Profile& profile, const postbox::Path& path,
                      std::vector<postbox::Violation>& violations);

// The resource of an event: {"type":"profile","attributes":{…}}.
void write_profile(const Profile& profile, std::string& out);

// Why Klaviyo does not take the identifier; empty when it does, or when there is none. Holds
// nothing of the value.
[[nodiscard]] std::string email_problem(std::string_view email);
[[nodiscard]] std::string phone_problem(std::string_view phone);

// Whether a phone number is the only identifier: an account without SMS drops the event.
[[nodiscard]] bool has_phone_alone(const Profile& profile) noexcept;

// "95 KB" for a profile inside an event and "100 KB" for one alone, read as decimal: the stricter
// reading.
inline constexpr std::size_t kMaxProfileBytes = 95'000;
inline constexpr std::size_t kMaxLoneProfileBytes = 100'000;

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::ProfileLocation> {
  using L = klaviyo::ProfileLocation;
  static constexpr auto fields =
      std::make_tuple(field("address1", "address1", &L::address1, {}, "Street and number."),
                      field("address2", "address2", &L::address2, {}, "What stands below it."),
                      field("city", "city", &L::city, {}, "City."),
                      field("region", "region", &L::region, {}, "Region or state."),
                      field("zip", "zip", &L::zip, {}, "Postal code."),
                      field("country", "country", &L::country, {}, "Country."),
                      field("timezone", "timezone", &L::timezone, {}, "IANA time zone."));
};

template <>
struct postbox::Schema<klaviyo::Profile> {
  using P = klaviyo::Profile;
  static constexpr auto fields = std::make_tuple(
      field("email", "email", &P::email, {.max_length = 99}, "The customer's e-mail address."),
      field("phone_number", "phone", &P::phone, {}, "Phone number, E.164."),
      field("external_id", "external_id", &P::external_id, {.max_length = 255},
            "The app's own id of the customer."),
      field("anonymous_id", "anonymous_id", &P::anonymous_id, {.max_length = 255},
            "A visitor's id by Klaviyo's script."),
      field("_kx", "kx", &P::kx, {.max_length = 255}, "A known visitor's id by Klaviyo's script."),
      field("first_name", "first_name", &P::first_name, {}, "First name."),
      field("last_name", "last_name", &P::last_name, {}, "Last name."),
      field("organization", "organization", &P::organization, {}, "Company."),
      field("title", "title", &P::title, {}, "Title of the job."),
      field("image", "image", &P::image, {}, "Address of a picture."),
      field("locale", "locale", &P::locale, {}, "Language and country, BCP 47."),
      field("location", "location", &P::location, {}, "Where the customer lives."));
};

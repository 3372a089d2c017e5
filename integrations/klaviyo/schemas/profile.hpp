// Profile says whose event it is: the customer, by at least one identifier.
//
// Place:     part of every event, written once into its frozen bytes; an update of its own by
//            identify().
// Threads:   plain values; profile_key() may be called from several threads at once.
// Lifetime:  owns its strings.
// Failure:   no identifier that Klaviyo takes is a violation. With one of them, the others that it
//            refuses or silently drops are left out with a warning. No value of a profile is ever
//            shown in either.
#pragma once

#include <cstddef>
#include <klaviyo/schemas/property.hpp>
#include <postbox/schema.hpp>
#include <postbox/trackable.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// Where somebody lives. Klaviyo takes names and codes of regions and countries.
struct ProfileLocation {
  std::string address1{};
  std::string address2{};
  std::string city{};
  std::string region{};
  std::string zip{};
  std::string country{};
  std::string timezone{};  // a name of the IANA database: Europe/Berlin
};

struct Profile {
  std::string email{};         // as it was typed or pasted, see normalize()
  std::string phone{};         // E.164, or as people write it, see normalize()
  std::string external_id{};   // the app's own user id
  std::string anonymous_id{};  // of a visitor, by Klaviyo's script; see read_cookie()
  std::string kx{};            // `_kx`, the same of a visitor whom Klaviyo knows
  std::string first_name{};
  std::string last_name{};
  std::string organization{};
  std::string title{};   // of the job
  std::string image{};   // address of a picture
  std::string locale{};  // BCP 47: de-DE; "de_DE" is taken for it
  ProfileLocation location{};

  // Of the shop's own, kept with the profile: "Loyalty Tier". What is empty or not named keeps its
  // value at Klaviyo.
  std::vector<Property> properties{};

  // Names of such properties to remove. By identify() alone: an event removes nothing.
  std::vector<std::string> unset{};
};

// Bring the identifiers into one form, so that one person is one profile however they were typed.
// The builders do it.
//
// E-mail: blanks and invisible characters (control and format characters of Unicode) at the ends
// go, and so do `mailto:`, "Name <…>", a dot at the end, and all but the first of a list; inside,
// invisible characters go. Letters are lowered and composed (NFC), a domain gets its ASCII form
// (IDNA), full width becomes ASCII. Phone: blanks, dashes, brackets, dots and slashes go, and
// `tel:`; 00 becomes "+"; a national number becomes E.164 by `country`, an ISO 3166-1 alpha-2 code
// in any case. External id: blanks and invisible characters at the ends go.
//
// Characters taken out of the middle of an address are a warning below `path` in `changes`.
void normalize(Profile& profile);
void normalize(Profile& profile, std::string_view country, const postbox::Path& path,
               std::vector<postbox::Violation>& changes);

// Whether Klaviyo takes every identifier that is set.
[[nodiscard]] bool is_settled(const Profile& profile);

// Read the phone number as one of `country`, if it is no E.164 yet. Then, if Klaviyo takes one of
// the identifiers, leave the others out, each with a warning below `path` in `changes`; if it takes
// none, leave all for validate_profile() to refuse. Of a profile that is_settled(): nothing.
void settle(Profile& profile, std::string_view country, const postbox::Path& path,
            std::vector<postbox::Violation>& changes);

// 16 bytes of SHA-256 over the kind and value of the strongest identifier: e-mail, else phone, else
// external id, else anonymous id, else kx. The e-mail comes first because it is what every family
// carries and what a person asks to be forgotten by; adding an external id later must not make
// somebody a new person to the flags' percentages.
[[nodiscard]] postbox::Key profile_key(const Profile& profile);

[[nodiscard]] bool is_email(std::string_view text) noexcept;

// Klaviyo answers 202 for these and then drops the event: @example.com, @test.com.
[[nodiscard]] bool is_dropped_email(std::string_view text) noexcept;

}  // namespace klaviyo

// Phone numbers as people write them, made into E.164: +491701234567.
//
// Place:     inside the integration: normalize() of a Profile.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   an empty text for what is no number, or a national one without a country.
//
// Blanks, dashes, brackets, dots, slashes and invisible characters between the digits go, a `tel:`
// or a word such as "Phone:" before them, and an extension behind. A number with "+", 00 or, in
// North America, 011 has its country; of "+44 (0)20" the zero goes. Any other is read as one of
// `country`, with or without its trunk prefix. That a number is in use is not known here.
#pragma once

#include <string>
#include <string_view>

namespace klaviyo {

// The ISO 3166-1 alpha-2 code that `text` is, in upper case: "de", " DE". Also "UK" and "EL" for
// GB and GR. Empty for none that has phone numbers.
[[nodiscard]] std::string country_code(std::string_view text);

// `country` is what country_code() returned, or empty when it is not known.
[[nodiscard]] std::string to_e164(std::string_view text, std::string_view country);

// "+" and 7 to 15 digits, without a zero in front.
[[nodiscard]] bool is_e164(std::string_view text) noexcept;

}  // namespace klaviyo

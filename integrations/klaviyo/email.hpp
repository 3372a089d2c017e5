// E-mail addresses as people paste and type them, made into the one by which a mailbox is known.
//
// Place:     inside the integration: normalize() of a Profile.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   what cannot be an address comes back as it is, and is_email() refuses it.
//
// In this order: characters of full width become ASCII; blanks and invisible characters at the ends
// go, and so do `mailto:`, angle brackets with the name before them, quotes around all of it, and
// dots and separators at the end; of a list the first address stays. Inside, invisible characters
// go, and blanks beside "@" and beside the dots of the domain. Then the local part is lowered and
// composed (NFC), and the domain gets its ASCII form (IDNA 2008, UTS 46), so that upper case,
// decomposed letters and punycode are one mailbox.
#pragma once

#include <string>
#include <string_view>

namespace klaviyo {

struct CleanEmail {
  std::string address{};

  // The rule of a warning, when more was taken out than what stood around the address.
  std::string_view warning{};
};

// Allocates nothing for one that is clean already.
[[nodiscard]] CleanEmail clean_email(std::string text);

}  // namespace klaviyo

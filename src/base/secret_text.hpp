// secret_text tells what looks like a secret, wherever somebody has put it.
//
// Place:     before a text is shown: values of settings that are refused, what others have said.
// Threads:   pure functions.
// Lifetime:  keep nothing.
// Failure:   none. They err on the side of hiding.
#pragma once

#include <string_view>

namespace postbox {

// Holds a key of a vendor's: "pk_", "sk_", "rk_" or "whsec_" and eight bytes or more behind it.
[[nodiscard]] bool holds_key(std::string_view text) noexcept;

// Holds such a key, or is, alone or in a list, 32 hexadecimal digits or more or 40 digits of base64
// or more. A path is none for its length.
[[nodiscard]] bool looks_like_secret(std::string_view text) noexcept;

}  // namespace postbox

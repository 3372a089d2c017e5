// not_accepted() is the error of a setting's value.
//
// Place:     used by what reads a configuration; below everything, also below the integrations.
// Threads:   a pure function.
// Lifetime:  returns a text of its own.
// Failure:   none but for want of memory.
#pragma once

#include <string>
#include <string_view>

#include <postbox/error.hpp>

#include "base/secret_text.hpp"

namespace postbox {

// "'VALUE' is not accepted; expected ACCEPTED", on one line: a line end or another control
// character of the value is a question mark, and a long one is cut. Not for a setting that is a
// secret; a value that looks like one, in the wrong variable, is not shown.
[[nodiscard]] inline Error not_accepted(std::string_view value, std::string_view accepted) {
  constexpr std::size_t kMost = 200;
  if (looks_like_secret(value)) {
    return Error{
        ErrorCode::kInvalidConfig,
        "a value that looks like a secret, which is not shown, is not accepted; expected " +
            std::string(accepted)};
  }
  std::string shown(value.substr(0, kMost));
  for (char& c : shown) {
    if ((c >= 0 && c < 0x20) || c == 0x7f) c = '?';
  }
  if (value.size() > kMost) shown += "…";
  return Error{ErrorCode::kInvalidConfig,
               "'" + shown + "' is not accepted; expected " + std::string(accepted)};
}

}  // namespace postbox

// The checks of addresses in a configuration.
//
// Place:     used by each Config, on the caller's thread; below everything, also below the
//            integrations.
// Threads:   pure functions.
// Lifetime:  return texts of their own.
// Failure:   kInvalidConfig says what is accepted; an address that may hold a password is not
//            shown.
#pragma once

#include <string>
#include <string_view>

#include <postbox/result.hpp>

namespace postbox {

// Accepts https:// and any host, or http:// and a loopback one (localhost, 127.x.y.z, [::1]), since
// the key must not travel in the clear; a port and a path; no user, query or fragment. Returns it
// with its scheme in lower case and without a slash at its end.
[[nodiscard]] Result<std::string> parse_api_url(std::string_view text);

// Accepts http:// and https:// with any host: links to the app itself hold no secret.
[[nodiscard]] Result<std::string> parse_app_url(std::string_view text);

}  // namespace postbox

// read_cookie() knows a visitor by the cookie of Klaviyo's script in the shop's pages: a guest's
// cart has an identifier before the step that asks for the e-mail address.
//
// Place:     between a route and the builders.
// Threads:   may be called from several threads at once.
// Lifetime:  nothing is kept of the argument.
// Failure:   a cookie that is missing, cut, foreign or too long gives nothing; it is no error.
#pragma once

#include <klaviyo/schemas/profile.hpp>
#include <string_view>

namespace klaviyo {

// Set `profile.kx` and `profile.anonymous_id` to what the cookie `__kla_id` says, unless they are
// set already. `cookie` is its value, or a whole `Cookie` header. The value is base64 of a JSON
// object, also when it is URL-encoded, whose `$exchange_id` is the former and whose `cid` the
// latter. Returns whether the cookie had one of them.
bool read_cookie(std::string_view cookie, Profile& profile);

}  // namespace klaviyo

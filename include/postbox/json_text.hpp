// JSON text as others send it, made into JSON that every parser takes.
//
// Place:     in a route, in front of the shop's own parser. Postbox writes no such text.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   none: what is wrong otherwise is left for the parser to find.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postbox {

// A browser or a database that cuts a text in the middle of an emoji leaves half of it, such as
// "\ud83c", for which most parsers refuse the whole body. Returns `json` with U+FFFD for each half
// that is alone, also in members that nobody reads; nothing when `json` has none. Verify a
// signature over the bytes before, as they were received.
[[nodiscard]] std::optional<std::string> mended_json(std::string_view json);

}  // namespace postbox

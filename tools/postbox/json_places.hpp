// The places of values in a JSON text, for messages that name a line. The text must be JSON; where
// it is none, a place is somewhere in it.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace postbox::cli {

struct JsonElement {
  std::string_view text;  // a part of the whole
  std::size_t line = 1;   // on which it begins
};

// The elements of the list that `text` is.
[[nodiscard]] std::vector<JsonElement> elements_of(std::string_view text);

// The line, from 1, of what `path` names: "items[1].unit_price". Of what is not there, that of the
// innermost value around it that is.
[[nodiscard]] std::size_t line_of(std::string_view text, std::string_view path);

// The line of the byte at `place`.
[[nodiscard]] std::size_t line_at(std::string_view text, std::size_t place);

}  // namespace postbox::cli

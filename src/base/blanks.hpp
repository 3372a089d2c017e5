// Blanks around a value that people and programs leave without seeing them: also ends of lines,
// marks of an encoding, characters that have no width.
//
// Place:     below everything that reads settings, also below the integrations.
// Threads:   free functions, from any thread.
// Lifetime:  what they return is a part of what they were given.
// Failure:   none.
#pragma once

#include <string_view>

namespace postbox {

// The text without the blanks, control characters and invisible characters of Unicode at its ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

}  // namespace postbox

// The library's version.
//
// Place:     in the User-Agent of every request; for programs that show what they run.
// Threads:   a constant.
// Lifetime:  a constant.
// Failure:   CMake refuses to configure while it differs from the project's version.
#pragma once

#include <string_view>

namespace postbox {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace postbox

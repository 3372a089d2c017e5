// Bytes is a size with its unit.
//
// Place:     configuration and limits.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   none.
#pragma once

#include <compare>
#include <cstdint>

namespace postbox {

struct Bytes {
  std::uint64_t count = 0;

  friend constexpr auto operator<=>(Bytes, Bytes) = default;
};

[[nodiscard]] constexpr Bytes kibibytes(std::uint64_t n) { return Bytes{n << 10U}; }
[[nodiscard]] constexpr Bytes mebibytes(std::uint64_t n) { return Bytes{n << 20U}; }

}  // namespace postbox

// The number of rounds of a random or exhaustive test: the usual one, or in a slow build the part
// of it that POSTBOX_ROUNDS_PERCENT says. The presets asan and tsan set it: what many rounds find
// is found by the ordinary build, and a sanitizer needs each path only a few times.
//
// Place:     the tests.
// Threads:   any.
// Lifetime:  none.
// Failure:   at least one round, whatever the variable says.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace postbox::tests {

template <class Number>
[[nodiscard]] Number rounds(Number usual) {
  const char* text = std::getenv("POSTBOX_ROUNDS_PERCENT");  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr) return usual;
  const auto percent = static_cast<Number>(std::atoi(text));  // NOLINT(cert-err34-c)
  return std::max<Number>(1, usual * percent / 100);
}

}  // namespace postbox::tests

// POSTBOX_ASSERT(condition) states an invariant of the code's own: what no input, disk, network or
// vendor can break, only a mistake in this library.
//
// Place:     anywhere in src; never in a public header.
// Threads:   any.
// Lifetime:  none.
// Failure:   in the project's own builds (tests, simulation, fuzz, sanitizers: POSTBOX_ASSERTIONS)
// it
//            writes what did not hold and aborts. Elsewhere the condition is compiled and not
//            evaluated: a shop's server goes on, and the conservation law shows the mistake.
#pragma once

#include <cstdio>
#include <cstdlib>

#define POSTBOX_ASSERT_UNEVALUATED(condition) (static_cast<void>(sizeof((condition) ? 1 : 0)))
#ifdef POSTBOX_ASSERTIONS
#define POSTBOX_ASSERT(condition) \
  ((condition) ? void() : ::postbox::detail::assertion_failed(#condition, __FILE__, __LINE__))
#else
#define POSTBOX_ASSERT(condition) POSTBOX_ASSERT_UNEVALUATED(condition)
#endif

namespace postbox::detail {

[[noreturn]] inline void assertion_failed(const char* condition, const char* file,
                                          int line) noexcept {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace postbox::detail

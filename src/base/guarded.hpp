// guarded() keeps an exception of the host's or an integration's part inside the library.
#pragma once

#include <exception>
#include <string>

#include <postbox/error.hpp>

namespace postbox {

// Returns what `work` does, or an error that says what it threw.
template <class Work>
[[nodiscard]] auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("an exception was caught: ") + failure.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, "an exception was caught"};
  }
}

}  // namespace postbox

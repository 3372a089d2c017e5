// A Finding is one thing that is good to know about a set-up, and what to do about it.
//
// Place:     returned by probe(), and printed by `postbox doctor`.
// Threads:   a plain value.
// Lifetime:  owns its texts.
// Failure:   none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace klaviyo {

enum class FindingLevel : std::uint8_t {
  kOk,
  kNote,     // good to know
  kWarning,  // works today, and will cost something
  kProblem,  // events are not sent, or are lost
};

// "ok", "note", "warning", "problem".
[[nodiscard]] constexpr std::string_view name_of(FindingLevel level) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"ok", "note", "warning", "problem"};
  return kNames[static_cast<std::size_t>(level)];
}

struct Finding {
  FindingLevel level = FindingLevel::kOk;
  std::string_view topic{};  // "network", "key", "scope", …; constant
  std::string what{};        // one sentence
  std::string advice{};      // what to do; empty when there is nothing to do
};

}  // namespace klaviyo

// Why events of a family are held, and what sends them: for the page of `postbox serve`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flag_lines.hpp"
#include "status.hpp"

namespace postbox::cli {

struct HeldReason {
  std::string family;
  std::uint64_t held = 0;
  std::string why;
  std::string to_do;
};

// One for each queue in which events are held. What an operator sends although its flag is off is
// known to the sending process alone, so that nobody beside a server can release it there.
[[nodiscard]] std::vector<HeldReason> held_reasons(const Status& status,
                                                   const std::vector<FlagLine>& flags);

[[nodiscard]] Json json_of(const HeldReason& reason);

}  // namespace postbox::cli

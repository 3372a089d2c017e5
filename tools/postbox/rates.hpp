// Rates are what an outbox's counts tell between two looks.
#pragma once

#include <chrono>
#include <postbox/outbox.hpp>

#include "output.hpp"

namespace postbox::cli {

// The totals at a moment.
struct Look {
  std::chrono::steady_clock::time_point at;
  OutboxTotals totals{};
};

// Events in a second.
struct Rates {
  double accepted = 0;
  double delivered = 0;
};

[[nodiscard]] Rates rates_between(const Look& before, const Look& now);

[[nodiscard]] Json json_of(const Rates& rates);

}  // namespace postbox::cli

// Queues is a set of queues.
//
// Place:     from the writer, which knows what it appended, to the loader, which claims.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   none: a queue whose number is too high for a place of its own stands for all.
#pragma once

#include <cstdint>
#include <postbox/trackable.hpp>

namespace postbox {

struct Queues {
  std::uint64_t bits = 0;

  [[nodiscard]] static constexpr Queues any() noexcept { return {~std::uint64_t{0}}; }
  [[nodiscard]] static constexpr Queues of(QueueId queue) noexcept {
    constexpr std::uint32_t kPlaces = 63;  // the last is any()'s alone
    const auto number = static_cast<std::uint32_t>(queue);
    return number < kPlaces ? Queues{std::uint64_t{1} << number} : any();
  }

  void add(Queues more) noexcept { bits |= more.bits; }
  [[nodiscard]] constexpr bool is_any() const noexcept { return bits == any().bits; }
  [[nodiscard]] constexpr bool has(QueueId queue) const noexcept {
    return (bits & of(queue).bits) != 0;
  }
};

}  // namespace postbox

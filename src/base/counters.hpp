// Counters are what the stages count of the events that pass them, each under its member of Stats:
// a new one is a member and a row of kStatsFields, and the line that counts.
//
// Place:     written by the stages, read by StatsCollector.
// Threads:   any. Relaxed order suffices: they are sums.
// Lifetime:  as long as the pipeline.
// Failure:   none.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <postbox/stats.hpp>

namespace postbox {

namespace detail {

constexpr std::size_t index_of(std::uint64_t Stats::*member) {
  std::size_t index = 0;
  while (index < kStatsFields.size() && kStatsFields[index].member != member) ++index;
  return index;
}

}  // namespace detail

class Counters {
 public:
  using Count = std::atomic<std::uint64_t>;

  template <std::uint64_t Stats::*member>
  [[nodiscard]] Count& of() noexcept {
    constexpr std::size_t kIndex = detail::index_of(member);
    static_assert(kIndex < kStatsFields.size(), "it has no row in kStatsFields");
    return counts_[kIndex];
  }

  // Sets every member; those that are not counted here to zero.
  void read(Stats& stats) const noexcept {
    for (std::size_t i = 0; i < kStatsFields.size(); ++i) {
      stats.*kStatsFields[i].member = counts_[i].load(std::memory_order_relaxed);
    }
  }

 private:
  std::array<Count, kStatsFields.size()> counts_{};
};

inline void add(Counters::Count& count, std::uint64_t n) noexcept {
  count.fetch_add(n, std::memory_order_relaxed);
}

// add<&Stats::retries>(counters, 1)
template <std::uint64_t Stats::*member>
void add(Counters& counters, std::uint64_t n) noexcept {
  add(counters.of<member>(), n);
}

}  // namespace postbox

// Counters are what the stages count of the events that pass them; Tracker::stats() reads them.
#pragma once

#include <atomic>
#include <cstdint>

namespace postbox {

// Each is written by the stage named and read by anyone. Relaxed order suffices: they are sums.
struct Counters {
  using Count = std::atomic<std::uint64_t>;

  // Tracker, on the caller's thread.
  Count offered{0};
  Count accepted{0};
  Count disabled{0};
  Count rejected{0};
  Count full{0};
  Count closed{0};

  // OutboxWriter and Sender.
  Count outbox_failures{0};

  // Sender.
  Count requests{0};
  Count retries{0};
  Count rate_limited{0};
  Count parked{0};
  Count stale_settles{0};
};

inline void add(Counters::Count& count, std::uint64_t n) noexcept {
  count.fetch_add(n, std::memory_order_relaxed);
}

}  // namespace postbox

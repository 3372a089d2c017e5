// What holds for every outbox at any time, whoever has used it.
#pragma once

#include <gtest/gtest.h>

#include <postbox/outbox.hpp>

namespace postbox::tests {

inline void expect_conserved(Outbox& outbox) {
  const OutboxStats stored = outbox.stats().value();
  std::uint64_t rows = stored.spilled;
  for (const QueueStats& queue : stored.queues) {
    rows += queue.ready + queue.leased + queue.delayed + queue.held + queue.dead;
  }
  const OutboxTotals& totals = stored.totals;
  EXPECT_EQ(totals.appended + totals.fired,
            totals.delivered + totals.purged + totals.expired + rows);
}

}  // namespace postbox::tests

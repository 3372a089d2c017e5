// Counts of a spill and its store together, also while the store cannot be counted.
#include "base/guarded.hpp"
#include "spill_outbox.hpp"

namespace postbox {
namespace {

std::uint64_t rows_in(const OutboxTotals& totals) {
  return totals.appended + totals.fired - totals.delivered - totals.purged - totals.expired;
}

}  // namespace

// Counts that were given without the store's can be continued: nothing may change in it before.
bool SpillOutbox::knows_store() {
  {
    const MutexLock lock(mutex_);
    if (!was_left_out_ || was_read_) return true;
  }
  return count_store().has_value();
}

Result<OutboxStats> SpillOutbox::count_store() {
  auto counted = store_->stats();
  if (!counted) {
    if (counted.error().code == ErrorCode::kOutboxUnavailable) found_away(counted.error());
    return counted;
  }
  const MutexLock lock(mutex_);
  if (was_left_out_ && !was_read_) {
    before_ = counted->totals;
    before_.appended -= rows_in(counted->totals);  // these seem to come now
  }
  was_read_ = true;
  return counted;
}

Result<OutboxStats> SpillOutbox::stats() {
  return guarded([&] { return count_both(); });
}

Result<OutboxStats> SpillOutbox::count_both() {
  OutboxStats both;
  {
    const MutexLock lock(mutex_);
    if (away_ && clock_->now() < away_->again) both.away = away_->why;
  }
  if (both.away.empty()) {
    auto counted = count_store();
    if (counted) {
      both = *std::move(counted);
    } else {
      both.away = counted.error().message;
    }
  }
  const auto spilled = queue_.contents();
  if (spilled && spilled->waiting.any()) (void)pair(Pairing::kLook);
  const MutexLock lock(mutex_);
  if (!both.away.empty()) {
    was_left_out_ |= !was_read_;
  } else {
    both.totals.appended -= before_.appended;
    both.totals.duplicates -= before_.duplicates + doubles_;
    both.totals.delivered -= before_.delivered;
    both.totals.purged -= before_.purged;
    both.totals.expired -= before_.expired;
    both.totals.fired -= before_.fired;
  }
  if (!is_foreign_) add_spilled(spilled, both);
  return both;
}

// A damaged record is a dead letter of the spill's file, where no operator looks for it: it is gone
// from here.
void SpillOutbox::add_spilled(const Result<SpillQueue::Contents>& contents,
                              OutboxStats& both) const {
  both.spilled = left_.events;
  if (contents) {
    both.spilled = contents->waiting.events;
    both.totals.purged += contents->purged;
    both.totals.expired += contents->dead;
    both.totals.appended += contents->purged + contents->dead;
  }
  both.totals.purged += doubles_;
  both.totals.appended += both.spilled + doubles_;
}

}  // namespace postbox

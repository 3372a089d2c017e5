#include "spill_outbox.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "base/backoff.hpp"
#include "base/guarded.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using Batch = std::span<const EventRecord>;
using Count = SpillQueue::Count;

// Of one append to the store while it drains, unless a larger one is repeated.
constexpr std::size_t kAtOnce = 500;
constexpr Bytes kBytesAtOnce = mebibytes(1);
constexpr Bytes kUnlimited{std::numeric_limits<std::uint64_t>::max()};

// Appends of one maintain(), between which the sender would send nothing.
constexpr int kAppendsInARow = 2;

// The wait of an append that finds out by itself whether the store is back. The sender asks it
// every second besides, where it does not keep anybody waiting.
constexpr milliseconds kLongestWait = std::chrono::seconds(30);

// The name under which both stores keep what they have in common.
constexpr std::string_view kPair = "spill_pair";

std::string new_name() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr int kLength = 32;
  std::random_device random;
  std::string name;
  for (int i = 0; i < kLength; ++i) name += kDigits.at(random() % kDigits.size());
  return name;
}

// How old a count of what is spilled may be: other processes spill into the same file. An append
// goes by any, and asks no disk.
constexpr milliseconds kCountedFor = std::chrono::seconds(5);
constexpr milliseconds kEver = std::chrono::hours(24 * 366);  // the largest would overflow

}  // namespace

Result<Appended> SpillOutbox::append(Batch batch) {
  return guarded([&] { return append_somewhere(batch); });
}

Result<Appended> SpillOutbox::append_somewhere(Batch batch) {
  if (const auto ok = check_payloads(batch); !ok) return ok.error();
  prepare(kEver);
  if (!must_spill() && knows_store()) {
    auto appended = store_->append(batch);
    if (!takes_over(appended, batch.size())) return appended;
  }
  return spill(batch);
}

Result<void> SpillOutbox::check_payloads(Batch batch) const {
  const std::uint64_t most = caps().max_payload.count;
  for (const EventRecord& record : batch) {
    const bool timed = record.timing && record.timing->timer;
    const std::size_t size =
        std::max(record.payload.size(), timed ? record.timing->timer->event.payload.size() : 0);
    if (size <= most) continue;
    return Error{ErrorCode::kInvalidArgument, "a payload of " + std::to_string(size) +
                                                  " bytes is larger than " + std::to_string(most)};
  }
  return {};
}

bool SpillOutbox::must_spill() const {
  const MutexLock lock(mutex_);
  if (is_foreign_) return false;
  return left_.any() || (away_ && clock_->now() < away_->again);
}

// True if the spill must take the batch, because the store did not.
bool SpillOutbox::takes_over(const Result<Appended>& appended, std::size_t records) {
  if (appended) {
    const MutexLock lock(mutex_);
    away_.reset();
    busy_in_a_row_ = 0;
    if (records > 0) repeated_ = 0;
    return false;
  }
  switch (appended.error().code) {
    case ErrorCode::kOutboxUnavailable:
    case ErrorCode::kOutboxCorrupt:
    case ErrorCode::kOutboxTooNew:
      break;
    case ErrorCode::kOutboxBusy:
    case ErrorCode::kDeadlineExceeded: {
      // Two servers that meet at a row try again; whoever holds a lock for long keeps all waiting.
      const MutexLock lock(mutex_);
      if (++busy_in_a_row_ < 2) return false;
      break;
    }
    default:
      return false;
  }
  found_away(appended.error());
  const MutexLock lock(mutex_);
  if (records > 0) repeated_ = records;
  return !is_foreign_;
}

Result<Appended> SpillOutbox::spill(Batch batch) {
  const Count count = SpillQueue::count_of(batch);
  {
    // Before: from now on it is not empty for whoever drains.
    const MutexLock lock(mutex_);
    if (is_foreign_) return Error{ErrorCode::kOutboxUnavailable, trouble_};
    left_ += count;
    ++changes_;
    ++spilling_;
  }
  auto appended = queue_.put(batch);
  const MutexLock lock(mutex_);
  ++changes_;
  --spilling_;
  if (appended) return appended;
  left_ -= count;
  counted_.reset();  // it may have been done
  Error error = appended.error().with_context("POSTBOX_SPILL");
  trouble_ = error.message;
  if (away_) error.message = away_->why + "; " + error.message;
  return error;
}

void SpillOutbox::found_away(const Error& error) {
  const MutexLock lock(mutex_);
  if (!away_) away_.emplace();
  away_->why = error.message;
  away_->again = clock_->now() + std::min(backoff_ceiling(++away_->failures), kLongestWait);
}

// A spill that cannot be read keeps nobody from the store.
void SpillOutbox::prepare(milliseconds max_age) {
  auto ready = count_spilled(max_age);
  if (ready) ready = pair(Pairing::kMake);
  if (ready) return;
  const MutexLock lock(mutex_);
  trouble_ = ready.error().with_context("POSTBOX_SPILL").message;
}

Result<void> SpillOutbox::count_spilled(milliseconds max_age) {
  std::uint64_t version = 0;
  {
    const MutexLock lock(mutex_);
    if (counted_ && clock_->now() - *counted_ < max_age) return {};
    version = changes_;
  }
  const auto contents = queue_.contents();
  if (!contents) return contents.error();
  const MutexLock lock(mutex_);
  if (spilling_ > 0 || changes_ != version) return {};  // another time
  left_ = is_foreign_ ? Count{} : contents->waiting;
  if (!counted_) trouble_.clear();
  counted_ = clock_->now();
  return {};
}

// Both stores keep one name: what was spilled for one store must not be given to another, of other
// customers, because a setting has changed.
Result<void> SpillOutbox::pair(Pairing how) {
  {
    const MutexLock lock(mutex_);
    if (is_paired_ || is_foreign_ || (away_ && clock_->now() < away_->again)) return {};
  }
  const auto of_store = store_->keep(kPair, how == Pairing::kMake ? new_name() : "");
  if (!of_store && of_store.error().code == ErrorCode::kOutboxUnavailable) {
    found_away(of_store.error());
  }
  if (!of_store || of_store->empty()) return {};
  const auto of_spill = queue_.keep(kPair, how == Pairing::kMake ? *of_store : "");
  if (!of_spill) return of_spill.error();
  if (of_spill->empty()) return {};
  const MutexLock lock(mutex_);
  is_paired_ = *of_spill == *of_store;
  is_foreign_ = !is_paired_;
  if (is_paired_) return {};
  left_ = {};
  return Error{ErrorCode::kInvalidConfig,
               "the file is that of another database, and is left alone: give each database a file "
               "of its own, and let a program with that database drain this one"};
}

Spilled SpillOutbox::spilled() {
  const MutexLock lock(mutex_);
  return {left_.events, damaged_, away_ ? away_->why : refusal_, trouble_};
}

// Not before all is drained that can be: a cart that has come due is ended by an order in the
// spill.
Result<Maintained> SpillOutbox::maintain(milliseconds retention) {
  const std::uint32_t failures = this->failures();
  if (drain_.try_lock()) {
    const bool is_more = drain();
    drain_.unlock();
    if (is_more) return Maintained{.next_due = milliseconds(0)};
  }
  if (this->failures() > failures) return Error{ErrorCode::kOutboxUnavailable, spilled().away};
  return noted(store_->maintain(retention));
}

std::uint32_t SpillOutbox::failures() const {
  const MutexLock lock(mutex_);
  return away_ ? away_->failures : 0;
}

bool SpillOutbox::drain() noexcept {
  try {
    prepare(kCountedFor);
    if (is_unconfirmed_) confirm_removed();
    if (clock_->now() >= tidied_ + kCountedFor) {
      queue_.tidy();
      tidied_ = clock_->now();
    }
    for (int i = 0; i < kAppendsInARow; ++i) {
      {
        const MutexLock lock(mutex_);
        if (is_foreign_ || !left_.any()) return false;
      }
      if (!knows_store()) return false;
      const auto more = drain_one();
      const MutexLock lock(mutex_);
      refusal_ = more ? std::string() : more.error().message;
      if (!more || !*more) return false;
    }
    return true;
  } catch (...) {
    return false;  // no memory: the next time
  }
}

Result<bool> SpillOutbox::drain_one() {
  std::size_t repeated = 0;
  {
    const MutexLock lock(mutex_);
    repeated = repeated_;
  }
  const auto front =
      repeated > 0 ? queue_.front(repeated, kUnlimited) : queue_.front(kAtOnce, kBytesAtOnce);
  if (!front) return front.error().with_context("POSTBOX_SPILL");
  if (front->damaged.any()) {
    const MutexLock lock(mutex_);
    add_damaged(front->damaged);
  }
  if (front->records.empty()) {
    // All of it was damaged; or it is empty, or another process drains it.
    if (const auto ok = count_spilled({}); !ok) return ok.error().with_context("POSTBOX_SPILL");
    return front->damaged.any();
  }
  const auto appended = noted(store_->append(front->records));
  if (!appended) return refused(*front, appended.error());
  queue_.remove(*front);
  is_unconfirmed_ = true;
  // From then on events go past the spill.
  if (is_all(front->count)) confirm_removed();
  const MutexLock lock(mutex_);
  left_ -= front->count;
  ++changes_;
  repeated_ = 0;
  doubles_ += appended->duplicates;
  return true;
}

bool SpillOutbox::is_all(const Count& front) const {
  const MutexLock lock(mutex_);
  return left_.events <= front.events && left_.effects <= front.effects;
}

// A spill whose disk fails keeps nobody from the store: it is tried again.
void SpillOutbox::confirm_removed() {
  if (queue_.confirm_removed(new_name())) is_unconfirmed_ = false;
}

Result<bool> SpillOutbox::refused(const SpillQueue::Front& front, const Error& error) {
  const bool is_one_of_them = error.code == ErrorCode::kInvalidArgument;
  if (is_one_of_them && front.records.size() == 1) {
    queue_.bury(front, error.message);
    const MutexLock lock(mutex_);
    add_damaged(front.count);
    repeated_ = 0;
    return true;
  }
  queue_.give_back(front);
  const MutexLock lock(mutex_);
  repeated_ = is_one_of_them ? 1 : front.records.size();
  if (is_one_of_them) return true;
  return error;
}

void SpillOutbox::add_damaged(const Count& damaged) {
  left_ -= damaged;
  ++changes_;
  damaged_ += damaged.events;
}

// No drain comes in between: what was forgotten here must not be told there afterwards.
Result<std::size_t> SpillOutbox::purge_profile(const Key& profile) {
  const MutexLock draining(drain_);
  const auto here = queue_.purge_profile(profile);
  if (!here) return here.error().with_context("POSTBOX_SPILL");
  (void)count_spilled({});
  const auto there = store_->purge_profile(profile);
  if (!there) return there;
  return *here + *there;
}

Result<std::size_t> SpillOutbox::rewrite_payloads(const PayloadRewrite& rewrite) {
  const MutexLock draining(drain_);
  const auto here = queue_.rewrite_payloads(rewrite);
  if (!here) return here.error().with_context("POSTBOX_SPILL");
  const auto there = store_->rewrite_payloads(rewrite);
  if (!there) return there;
  return *here + *there;
}

Result<Checked> SpillOutbox::check() {
  auto checked = store_->check();
  if (!checked) return checked;
  return guarded([&]() -> Result<Checked> {
    const auto here = queue_.check();
    if (!here) return here.error().with_context("POSTBOX_SPILL");
    checked->events += here->events;
    checked->damaged_count += here->damaged_count;
    for (const std::string& problem : here->problems) {
      checked->problems.push_back("POSTBOX_SPILL: " + problem);
    }
    return checked;
  });
}

std::shared_ptr<Outbox> spilling(std::shared_ptr<Outbox> store, std::shared_ptr<Outbox> spill,
                                 std::shared_ptr<const Clock> clock) {
  return std::make_shared<SpillOutbox>(std::move(store), std::move(spill), std::move(clock));
}

}  // namespace postbox

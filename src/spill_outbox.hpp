// SpillOutbox is an outbox on the network that may be away: a store of this machine takes events
// meanwhile, as durably, and gives them to it when it is back.
//
// Place:     around the outbox of a backend, inside the encryption: what is spilled lies sealed.
// Threads:   every member may be called from several threads at once. An append waits for no
//            draining. 🔒
// Lifetime:  shares both. What is spilled outlives the process: whichever starts next with the same
//            two gives it on.
// Failure:   an event that can go to neither is refused with the spill's error. What was spilled
//            and is found damaged stays in the spill's file, counts as expired, and is told.
//
// Order:     while something is spilled, whatever comes later goes behind it. maintain() drains, a
//            thousand records at a time, and does nothing else before all is drained that can be.
// Repeats:   an append to the store that may have been done all the same is repeated as it was,
//            which the store recognises (BatchNumber). After a crash in that moment the store's
//            dedup keys do; what was already delivered then is sent again, with the same keys.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>

#include "base/mutex.hpp"
#include "spill_queue.hpp"

namespace postbox {

class SpillOutbox final : public Outbox {
 public:
  SpillOutbox(std::shared_ptr<Outbox> store, std::shared_ptr<Outbox> spill,
              std::shared_ptr<const Clock> clock)
      : store_(std::move(store)), queue_(std::move(spill)), clock_(std::move(clock)) {}

  [[nodiscard]] OutboxCaps caps() const noexcept override {
    OutboxCaps caps = store_->caps();
    caps.max_payload = std::min(caps.max_payload, queue_.max_payload());
    return caps;
  }
  [[nodiscard]] std::optional<std::string> file() const override { return store_->file(); }
  [[nodiscard]] NewRateGate rate_gate() override { return store_->rate_gate(); }

  [[nodiscard]] Result<Appended> append(std::span<const EventRecord> batch) override;
  [[nodiscard]] Result<Maintained> maintain(std::chrono::milliseconds retention) override;
  [[nodiscard]] Result<OutboxStats> stats() override;
  [[nodiscard]] Spilled spilled() override;
  [[nodiscard]] Result<std::size_t> purge_profile(const Key& profile) override;
  [[nodiscard]] Result<std::size_t> rewrite_payloads(const PayloadRewrite& rewrite) override;
  [[nodiscard]] Result<Checked> check() override;

  [[nodiscard]] Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                                    std::chrono::milliseconds lease) override {
    return noted(store_->claim(queue, limits, lease));
  }
  [[nodiscard]] Result<Settled> settle(ClaimToken token,
                                       std::span<const Outcome> outcomes) override {
    return noted(store_->settle(token, outcomes));
  }
  [[nodiscard]] Result<Settled> settle_all(std::span<const Decision> decisions) override {
    return noted(store_->settle_all(decisions));
  }
  [[nodiscard]] Result<std::vector<QueueId>> due_queues() override {
    return noted(store_->due_queues());
  }

  [[nodiscard]] Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                                           std::chrono::milliseconds lease) override {
    return store_->extend(token, events, lease);
  }
  [[nodiscard]] Result<Released> release_held(QueueId queue, Flag flag,
                                              EventHandle after) override {
    return store_->release_held(queue, flag, after);
  }
  [[nodiscard]] Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                                     std::size_t max) override {
    return store_->dead(filter, after, max);
  }
  [[nodiscard]] Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                                           const Rewrite& rewrite) override {
    return store_->replay(filter, max, rewrite);
  }
  [[nodiscard]] Result<std::size_t> purge(const EventFilter& filter) override {
    return store_->purge(filter);
  }
  [[nodiscard]] Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                                    std::size_t max) override {
    return store_->held(filter, after, max);
  }
  [[nodiscard]] Result<std::vector<EventHandle>> free_held(const HeldFilter& filter,
                                                           EventHandle after,
                                                           std::size_t max) override {
    return store_->free_held(filter, after, max);
  }
  [[nodiscard]] Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return store_->purge_held(filter);
  }
  [[nodiscard]] Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override {
    return store_->list(after, max);
  }
  [[nodiscard]] Result<void> back_up(const std::string& file) override {
    return store_->back_up(file);
  }
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) override {
    return store_->keep(name, text);
  }
  [[nodiscard]] Result<std::string> exchange(std::string_view name,
                                             std::string_view text) override {
    return store_->exchange(name, text);
  }

 private:
  // The store does not take anything. Begins with zeros.
  struct Away {
    std::string why;
    std::uint32_t failures;
    SteadyTime again;  // when an append tries it
  };

  // An append, and where it goes.
  [[nodiscard]] Result<Appended> append_somewhere(std::span<const EventRecord> batch);
  [[nodiscard]] Result<void> check_payloads(std::span<const EventRecord> batch) const;
  [[nodiscard]] Result<Appended> spill(std::span<const EventRecord> batch) POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] bool must_spill() const POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] bool takes_over(const Result<Appended>& appended, std::size_t records)
      POSTBOX_EXCLUDES(mutex_);

  // Facts that an append or a drain needs first.
  void prepare(std::chrono::milliseconds max_age) POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> count_spilled(std::chrono::milliseconds max_age)
      POSTBOX_EXCLUDES(mutex_);
  enum class Pairing : std::uint8_t { kMake, kLook };
  [[nodiscard]] Result<void> pair(Pairing how) POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] bool knows_store() POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] Result<OutboxStats> count_store() POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] Result<OutboxStats> count_both() POSTBOX_EXCLUDES(mutex_);
  void add_spilled(const Result<SpillQueue::Contents>& contents, OutboxStats& both) const
      POSTBOX_REQUIRES(mutex_);

  // The drain. Each returns whether there is more to do at once.
  [[nodiscard]] bool drain() noexcept POSTBOX_REQUIRES(drain_) POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] bool is_all(const SpillQueue::Count& front) const POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] Result<bool> drain_one() POSTBOX_REQUIRES(drain_) POSTBOX_EXCLUDES(mutex_);
  void confirm_removed() POSTBOX_REQUIRES(drain_);
  [[nodiscard]] Result<bool> refused(const SpillQueue::Front& front, const Error& error)
      POSTBOX_REQUIRES(drain_) POSTBOX_EXCLUDES(mutex_);
  void add_damaged(const SpillQueue::Count& damaged) POSTBOX_REQUIRES(mutex_);

  void found_away(const Error& error) POSTBOX_EXCLUDES(mutex_);
  [[nodiscard]] std::uint32_t failures() const POSTBOX_EXCLUDES(mutex_);  // since it is away
  // Of a call that writes: a store may let read although it takes nothing.
  template <class Value>
  Result<Value> noted(Result<Value> result) POSTBOX_EXCLUDES(mutex_) {
    if (!result) {
      if (result.error().code == ErrorCode::kOutboxUnavailable) found_away(result.error());
      return result;
    }
    const MutexLock lock(mutex_);
    away_.reset();
    return result;
  }

  const std::shared_ptr<Outbox> store_;
  SpillQueue queue_;
  const std::shared_ptr<const Clock> clock_;

  // One drains at a time, and nobody changes meanwhile what is spilled.
  Mutex drain_;
  SteadyTime tidied_ POSTBOX_GUARDED_BY(drain_){};
  bool is_unconfirmed_ POSTBOX_GUARDED_BY(drain_) =
      true;  // what was removed, also before the start

  // Never held during a call of either store.
  mutable Mutex mutex_;
  std::optional<Away> away_ POSTBOX_GUARDED_BY(mutex_);
  std::uint32_t busy_in_a_row_ POSTBOX_GUARDED_BY(mutex_) = 0;
  std::string refusal_ POSTBOX_GUARDED_BY(mutex_);  // why the store did not take what was spilled
  std::string trouble_ POSTBOX_GUARDED_BY(mutex_);  // of the spill
  bool is_paired_ POSTBOX_GUARDED_BY(mutex_) = false;
  bool is_foreign_ POSTBOX_GUARDED_BY(mutex_) = false;  // it is another store's

  // Spilled records: counted in the file now and then, and followed in between.
  SpillQueue::Count left_ POSTBOX_GUARDED_BY(mutex_);
  std::optional<SteadyTime> counted_ POSTBOX_GUARDED_BY(mutex_);
  std::uint64_t changes_ POSTBOX_GUARDED_BY(mutex_) = 0;
  std::size_t spilling_ POSTBOX_GUARDED_BY(mutex_) = 0;  // appends under way
  std::uint64_t damaged_ POSTBOX_GUARDED_BY(mutex_) = 0;

  // The size of an append to the store that may have been done: the oldest that are spilled, which
  // are offered again as they were.
  std::size_t repeated_ POSTBOX_GUARDED_BY(mutex_) = 0;

  // Drained events that the store had already: they came as spilled ones, and were removed.
  std::uint64_t doubles_ POSTBOX_GUARDED_BY(mutex_) = 0;

  // Counts that were given without the store's; and what it had counted before its own were first
  // read: else a day of other servers would seem to happen in the moment in which it comes back.
  bool was_left_out_ POSTBOX_GUARDED_BY(mutex_) = false;
  bool was_read_ POSTBOX_GUARDED_BY(mutex_) = false;
  OutboxTotals before_ POSTBOX_GUARDED_BY(mutex_);
};

[[nodiscard]] std::shared_ptr<Outbox> spilling(std::shared_ptr<Outbox> store,
                                               std::shared_ptr<Outbox> spill,
                                               std::shared_ptr<const Clock> clock);

}  // namespace postbox

// ModelStore is a shared outbox in memory, which any number of servers use at once: the model of
// the tables and statements on PostgreSQL, by the same rules and without SQL.
//
// Place:     one per account; each server reaches it by a ModelOutbox of its own.
// Threads:   one. A call is a transaction: nothing happens in its midst.
// Lifetime:  outlives the servers.
// Failure:   as Outbox; being away is the ModelOutbox's.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/age_clock.hpp"
#include "base/batch_number.hpp"

#include "model_rates.hpp"
#include "model_timing.hpp"

namespace postbox::fleet {

class ModelStore {
 public:
  static constexpr std::size_t kChunk = 500;
  static constexpr std::size_t kParts = 64;

  ModelStore(std::shared_ptr<Clock> clock, Bytes max_disk, std::uint64_t seed)
      : clock_(std::move(clock)), max_disk_(max_disk), random_(seed) {}

  [[nodiscard]] Millis now() const { return clock_->wall_now().time_since_epoch().count(); }
  [[nodiscard]] const std::shared_ptr<Clock>& clock() const noexcept { return clock_; }
  [[nodiscard]] ModelTables& tables() noexcept { return timing_.tables; }
  [[nodiscard]] ModelTiming& timing() noexcept { return timing_; }
  [[nodiscard]] std::map<std::string, std::string, std::less<>>& kept() noexcept { return kept_; }

  // As postbox_put(), in a transaction of the shop's own.
  void put(std::span<const EventRecord> records) {
    inbox_.insert(inbox_.end(), records.begin(), records.end());
  }

  // The appends that were counted last in each of the parts of the totals, by which a server finds
  // out what became of one whose answer was lost.
  struct Last {
    std::int64_t batch = 0;
    std::size_t inserted = 0;
  };

  Result<Appended> append(std::span<const EventRecord> batch, std::size_t part,
                          BatchNumber& batches) {
    if (batch.empty()) return is_full() ? Result<Appended>(full()) : room(0, 0);
    const std::int64_t number = batches.of(batch);
    const auto events = static_cast<std::size_t>(std::ranges::count_if(batch, has_event));
    if (batches.repeated() != nullptr && last_.at(part).batch == number) {
      batches.sure();
      return room(last_.at(part).inserted, events);
    }
    batches.not_sure(batch, {});
    if (is_full() && events > 0) {
      if (batches.is_refused_first(batch)) {
        for (const EventRecord& record : batch) {
          if (!has_event(record)) (void)timing_.store(record, now());
        }
      }
      return full();
    }
    Appended appended = room(0, events);
    for (const EventRecord& record : batch) {
      if (timing_.store(record, now())) ++appended.inserted;
    }
    appended.duplicates = events - appended.inserted;
    tables().totals.appended += appended.inserted;
    tables().totals.duplicates += appended.duplicates;
    last_.at(part) = {number, appended.inserted};
    batches.sure();
    return appended;
  }

  // `from`: no row up to it is looked at.
  Claim claim(QueueId queue, const ClaimLimits& limits, std::chrono::milliseconds lease,
              std::int64_t from, const AgeClock& ages) {
    Claim claim;
    const auto ready = tables().ready().find(queue);
    if (limits.max_events == 0 || ready == tables().ready().end()) return claim;
    std::vector<std::int64_t> chosen;
    std::uint64_t bytes = 0;
    for (auto id = ready->second.upper_bound(from); id != ready->second.end(); ++id) {
      const Row& row = *tables().find(*id);
      if (row.is_leased(now()) || tables().has_older(row)) continue;
      bytes += row.payload.size();
      const bool is_beyond = !chosen.empty() && bytes > limits.max_bytes.count;
      claim.limited = chosen.size() == limits.max_events || is_beyond;
      if (claim.limited) break;
      chosen.push_back(*id);
    }
    if (chosen.empty()) return claim;
    claim.token = ClaimToken{static_cast<std::int64_t>(random_() >> 1U | 1U)};
    for (const std::int64_t id : chosen) {
      tables().change(id, [&](Row& row) {
        row.lease_until = now() + std::clamp<Millis>(lease.count(), 0, kDay);
        row.lease_token = static_cast<std::int64_t>(claim.token);
        row.claimed_at = ages.now();
      });
      claim.events.push_back(claimed(*tables().find(id), ages));
    }
    return claim;
  }

  struct Settlement {
    Settled settled{};
    bool any_at_once = false;
  };
  Settlement settle(std::span<const Decision> decisions) {
    Settlement done;
    std::vector<std::pair<Key, std::int64_t>> gone;  // rows in order
    for (const Decision& decision : decisions) {
      for (const Outcome& outcome : decision.outcomes) {
        const auto id = static_cast<std::int64_t>(outcome.handle);
        const Row* const row = tables().find(id);
        const auto token = static_cast<std::int64_t>(decision.token);
        if (row == nullptr || row->lease_token != token || token <= 0) {
          ++done.settled.stale;
          continue;
        }
        ++done.settled.applied;
        const bool ends =
            outcome.kind == OutcomeKind::kDelivered || outcome.kind == OutcomeKind::kDead;
        if (ends && row->slot) gone.emplace_back(row->profile_key, id);
        done.any_at_once |= decide(id, outcome);
      }
    }
    done.settled.ready_again = std::ranges::any_of(
        gone, [&](const auto& one) { return tables().has_newer(one.first, one.second); });
    return done;
  }

  std::size_t extend(ClaimToken token, std::span<const EventHandle> events,
                     std::chrono::milliseconds lease) {
    std::size_t extended = 0;
    for (const EventHandle event : events) {
      const Row* const row = tables().find(static_cast<std::int64_t>(event));
      const auto number = static_cast<std::int64_t>(token);
      if (row == nullptr || row->lease_token != number || number <= 0) continue;
      if (row->state != Row::State::kReady) continue;
      tables().change(row->id, [&](Row& mine) {
        mine.lease_until = now() + std::clamp<Millis>(lease.count(), 0, kDay);
      });
      ++extended;
    }
    return extended;
  }

  std::vector<QueueId> due_queues() {
    take_in();
    std::vector<QueueId> queues;
    for (const auto& [queue, ids] : tables().ready()) {
      const bool any = std::ranges::any_of(ids, [&](std::int64_t id) {
        const Row& row = *tables().find(id);
        return !row.is_leased(now()) && !tables().has_older(row);
      });
      if (any) queues.push_back(queue);
    }
    return queues;
  }

  Maintained maintain(std::chrono::milliseconds retention, const AgeClock& ages) {
    const std::size_t taken = take_in();
    Maintained maintained;
    maintained.promoted = promote();
    if (ages.is_old()) {
      const Millis cutoff = ages.earliest() - std::max<Millis>(0, retention.count());
      maintained.expired = expire([&](const auto& death) { return death.first <= cutoff; });
    }
    const std::uint64_t share = max_disk_.count / 4;
    if (tables().dead_bytes > share) {
      maintained.crowded_out =
          expire([&](const auto&) { return tables().dead_bytes > share - share / 16; });
    }
    std::size_t most = std::max(
        {maintained.promoted, maintained.expired, taken, timing_.date_anew(now(), kChunk)});
    const auto [looked_at, fired] = timing_.fire(now(), kChunk);
    maintained.fired = fired;
    most = std::max({most, looked_at, timing_.look_at_fired(now(), kChunk)});
    timing_.forget_collapsing(now());
    timing_.forget_ends(now());
    const Millis delayed =
        tables().delayed().empty() ? kForever : tables().delayed().begin()->first;
    Millis next = std::min(delayed, timing_.next_timer());
    if (most >= kChunk) next = now();
    if (next != kForever) {
      maintained.next_due = std::chrono::milliseconds(std::max<Millis>(0, next - now()));
    }
    return maintained;
  }

  [[nodiscard]] OutboxStats stats() {
    std::map<QueueId, QueueStats> queues;
    for (const auto& [id, row] : tables().rows()) {
      QueueStats& queue = queues[row.queue];
      const bool leased = row.state == Row::State::kReady && row.is_leased(now());
      ++(leased                              ? queue.leased
         : row.state == Row::State::kDelayed ? queue.delayed
         : row.state == Row::State::kHeld    ? queue.held
                                             : queue.ready);
      if (row.state == Row::State::kHeld) continue;
      const std::chrono::milliseconds age(std::max<Millis>(0, now() - row.created_at));
      queue.oldest = std::max(age, queue.oldest.value_or(age));
    }
    for (const auto& [id, dead] : tables().dead()) ++queues[dead.row.queue].dead;
    OutboxStats stats;
    for (auto& [id, queue] : queues) {
      queue.queue = id;
      stats.queues.push_back(queue);
    }
    stats.totals = tables().totals;
    stats.used = Bytes{used()};
    stats.inbox = inbox_.size();
    stats.timers_pending = timing_.timers_pending();
    return stats;
  }

  ModelRates::Grant rate_take(const std::string& rate, const ModelRates::Take& take) {
    return rates_.take(rate, take, now(),
                       static_cast<double>(random_() >> 11U) / static_cast<double>(1ULL << 53U));
  }

  [[nodiscard]] std::uint64_t random() { return random_(); }
  [[nodiscard]] bool has_inbox() const noexcept { return !inbox_.empty(); }

 private:
  [[nodiscard]] std::uint64_t used() { return tables().bytes + tables().dead_bytes; }
  [[nodiscard]] bool is_full() { return used() >= max_disk_.count; }

  [[nodiscard]] Appended room(std::size_t inserted, std::size_t events) {
    return {.inserted = inserted,
            .duplicates = events - inserted,
            .fullness = static_cast<std::uint32_t>(
                std::min<std::uint64_t>(1'000, used() * 1'000 / max_disk_.count)),
            .room = Bytes{used() < max_disk_.count ? max_disk_.count - used() : 0}};
  }
  static Error full() { return {ErrorCode::kOutboxFull, "the outbox is full"}; }

  static ClaimedEvent claimed(const Row& row, const AgeClock& ages) {
    ClaimedEvent event;
    event.handle = EventHandle{row.id};
    event.attempts = row.attempts + 1;
    if (row.attempts > 0) {
      event.tried_for =
          ages.since(row.first_attempt_at > 0 ? row.first_attempt_at : row.created_at);
    }
    event.age = ages.since(row.created_at);
    event.in_order = row.slot.has_value();
    event.record = {.queue = row.queue,
                    .dedup_key = row.dedup_key,
                    .profile_key = row.profile_key,
                    .payload = row.payload};
    return event;
  }

  // Returns whether the row may be claimed at once.
  bool decide(std::int64_t id, const Outcome& outcome) {
    const std::uint32_t spent = outcome.spend_attempt ? 1 : 0;
    if (outcome.kind == OutcomeKind::kDelivered) {
      tables().take(id);
      ++tables().totals.delivered;
      return false;
    }
    if (outcome.kind == OutcomeKind::kDead) {
      DeadRow dead{.row = tables().take(id),
                   .died_at = now(),
                   .http_status = outcome.http_status,
                   .reason = outcome.reason,
                   .pointer = outcome.pointer};
      if (dead.row.attempts == 0) dead.row.first_attempt_at = dead.row.claimed_at;
      dead.row.attempts += spent;
      tables().bury(std::move(dead));
      return false;
    }
    const bool is_hold = outcome.kind == OutcomeKind::kHold;
    const Millis delay = is_hold ? 0 : std::clamp<Millis>(outcome.delay.count(), 0, kLongestDelay);
    tables().change(id, [&](Row& row) {
      const bool is_tried = !is_hold && (delay > 0 || spent > 0);
      if (is_tried && (row.attempts == 0 || outcome.begin_again)) {
        row.first_attempt_at = row.claimed_at;
      }
      row.attempts += is_hold ? 0 : spent;
      row.next_at = now() + delay;
      row.state = is_hold     ? Row::State::kHeld
                  : delay > 0 ? Row::State::kDelayed
                              : Row::State::kReady;
      row.lease_until = row.lease_token = 0;
    });
    return !is_hold && delay == 0;
  }

  std::size_t take_in() {
    const std::size_t taken = std::min(kChunk, inbox_.size());
    for (std::size_t i = 0; i < taken; ++i) {
      const bool stored = timing_.store(inbox_[i], now());
      tables().totals.appended += stored ? 1 : 0;
      tables().totals.duplicates += !stored && has_event(inbox_[i]) ? 1 : 0;
    }
    inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(taken));
    return taken;
  }

  // Those that are due, or further ahead than any delay.
  std::size_t promote() {
    const auto& delayed = tables().delayed();
    std::size_t promoted = 0;
    const auto make_ready = [&](std::int64_t id) {
      tables().change(id, [](Row& row) { row.state = Row::State::kReady; });
      ++promoted;
    };
    while (!delayed.empty() && promoted < kChunk && delayed.begin()->first <= now()) {
      make_ready(delayed.begin()->second);
    }
    while (!delayed.empty() && promoted < kChunk &&
           delayed.rbegin()->first > now() + kLongestDelay) {
      make_ready(delayed.rbegin()->second);
    }
    return promoted;
  }

  template <class IsOver>
  std::size_t expire(IsOver is_over) {
    const auto& deaths = tables().deaths();
    std::size_t gone = 0;
    for (; gone < kChunk && !deaths.empty() && is_over(*deaths.begin()); ++gone) {
      (void)tables().unbury(deaths.begin()->second);
    }
    tables().totals.expired += gone;
    return gone;
  }

  static constexpr Millis kLongestDelay = 7'200'000;

  std::shared_ptr<Clock> clock_;
  const Bytes max_disk_;
  std::mt19937_64 random_;
  ModelTiming timing_;
  ModelRates rates_;
  std::array<Last, kParts> last_{};
  std::vector<EventRecord> inbox_;
  std::map<std::string, std::string, std::less<>> kept_;
};

}  // namespace postbox::fleet

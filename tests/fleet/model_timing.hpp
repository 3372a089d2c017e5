// ModelTiming stores records, and does what their Timing says: ends, timers, and rows that give way
// to newer ones.
//
// Place:     below ModelStore; the model of src/postgres_outbox/version_1_functions.sql, function
// by
//            function.
// Threads:   one.
// Lifetime:  a store's.
// Failure:   none.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "model_tables.hpp"

namespace postbox::fleet {

class ModelTiming {
 public:
  ModelTables tables;

  // Stores one record and does what its timing says. Returns whether it became a row of its own.
  bool store(const EventRecord& record, Millis now) {
    if (!record.timing) return insert(record, now, {}).has_value();
    const Timing& timing = *record.timing;
    const Millis reported_at = std::min(millis(timing.as_of), now);
    bool stored = false;
    if (timing.effects_only) {
    } else if (timing.in_order) {
      stored = store_in_order(record, now);
    } else if (timing.debounce.count() > 0) {
      stored = store_debounced(record, reported_at, now);
    } else {
      stored = insert(record, now, {}).has_value();
    }
    for (const Key& key : timing.cancels) end(key, timing.slot, reported_at, now);
    if (timing.timer) start_timer(timing, reported_at, now);
    return stored;
  }

  // Makes events of timers that are due. Returns how many were looked at, and how many fired.
  std::pair<std::size_t, std::size_t> fire(Millis now, std::size_t most) {
    std::size_t fired = 0;
    const std::vector<Key> due = slots_due(running_, now, most);
    for (const Key& slot : due) {
      Timer& timer = timers_.at(slot);
      const auto id = tables.insert({.queue = timer.event.queue,
                                     .created_at = now,
                                     .dedup_key = timer.event.dedup_key,
                                     .profile_key = timer.event.profile_key,
                                     .payload = timer.event.payload});
      if (!id) {
        remove_timer(slot);
        continue;
      }
      running_.erase({timer.due_at, slot});
      tables.bytes -= timer.size();
      timer.event.payload.clear();
      timer.event_id = *id;
      timer.due_at = now + kLookAgain;
      fired_.insert({timer.due_at, slot});
      ++fired;
    }
    tables.totals.fired += fired;
    return {due.size(), fired};
  }

  // A fired timer whose event is gone has nothing left to take back.
  std::size_t look_at_fired(Millis now, std::size_t most) {
    const std::vector<Key> due = slots_due(fired_, now, most);
    for (const Key& slot : due) {
      Timer& timer = timers_.at(slot);
      if (tables.find(timer.event_id) == nullptr) {
        remove_timer(slot);
        continue;
      }
      fired_.erase({timer.due_at, slot});
      timer.due_at = now + kLookAgain;
      fired_.insert({timer.due_at, slot});
    }
    return due.size();
  }

  // The clock was set back since they were started: from now on they wait their delay at most.
  std::size_t date_anew(Millis now, std::size_t most) {
    std::vector<Key> late;
    for (auto it = running_.rbegin(); it != running_.rend() && late.size() < most; ++it) {
      if (it->first <= now + timers_.at(it->second).delay) break;
      late.push_back(it->second);
    }
    for (const Key& slot : late) {
      Timer& timer = timers_.at(slot);
      running_.erase({timer.due_at, slot});
      timer.due_at = now + timer.delay;
      running_.insert({timer.due_at, slot});
    }
    return late.size();
  }

  std::size_t forget_collapsing(Millis now) {
    return std::erase_if(collapsing_, [now](const auto& one) { return one.second.due_at <= now; });
  }

  // Those that are over, and what the clock, set back since, would keep for longer than a day.
  std::size_t forget_ends(Millis now) {
    std::size_t gone = 0;
    const auto forget = [&](auto it) {
      ends_.erase(it->second);
      ends_by_age_.erase(it);
      ++gone;
    };
    while (!ends_by_age_.empty() && ends_by_age_.begin()->first <= now) {
      forget(ends_by_age_.begin());
    }
    while (!ends_by_age_.empty() && ends_by_age_.rbegin()->first > now + kDay) {
      forget(std::prev(ends_by_age_.end()));
    }
    return gone;
  }

  // Removes timers of that profile which run. Returns how many.
  std::size_t forget_timers(const Key& profile) {
    std::vector<Key> gone;
    for (const auto& [slot, timer] : timers_) {
      if (timer.event_id == 0 && timer.event.profile_key == profile) gone.push_back(slot);
    }
    for (const Key& slot : gone) remove_timer(slot);
    return gone.size();
  }

  [[nodiscard]] Millis next_timer() const {
    return running_.empty() ? kForever : running_.begin()->first;
  }
  [[nodiscard]] std::size_t timers_pending() const noexcept { return running_.size(); }
  [[nodiscard]] std::uint64_t bytes_of_timers() const {
    std::uint64_t sum = 0;
    for (const auto& [due, slot] : running_) sum += timers_.at(slot).size();
    return sum;
  }

 private:
  static constexpr Millis kLookAgain = 3'600'000;
  static constexpr Millis kTolerance = 120'000;  // of a cart that its order names
  static constexpr Millis kLongestTimer = 366 * kDay;
  static constexpr Millis kLongestDebounce = 7'200'000;

  struct Timer {
    Millis due_at = 0;
    Millis delay = 0;
    Millis as_of = 0;
    std::int64_t event_id = 0;  // of the row that it became; zero while it runs
    std::vector<Key> keys{};
    EventRecord event{};

    [[nodiscard]] std::uint64_t size() const noexcept { return 400 + 2 * event.payload.size(); }
  };
  struct Collapsing {
    std::int64_t event_id = 0;
    Millis due_at = 0;
    Millis as_of = 0;
  };
  struct End {
    Millis as_of = 0;
    Millis expires_at = 0;
  };
  using ByTime = std::set<std::pair<Millis, Key>>;

  static Millis millis(WallTime time) { return time.time_since_epoch().count(); }

  static std::vector<Key> slots_due(const ByTime& timers, Millis now, std::size_t most) {
    std::vector<Key> due;
    for (auto it = timers.begin(); it != timers.end() && it->first <= now; ++it) {
      if (due.size() == most) break;
      due.push_back(it->second);
    }
    return due;
  }

  std::optional<std::int64_t> insert(const EventRecord& record, Millis now,
                                     std::optional<Key> slot) {
    return tables.insert({.queue = record.queue,
                          .created_at = now,
                          .dedup_key = record.dedup_key,
                          .profile_key = record.profile_key,
                          .slot = slot,
                          .payload = record.payload});
  }

  [[nodiscard]] bool is_taken_by_another(const EventRecord& record, std::int64_t id) const {
    const Row* const other = tables.find(record.queue, record.dedup_key);
    return other != nullptr && other->id != id;
  }

  bool store_in_order(const EventRecord& record, Millis now) {
    const Key& slot = record.timing->slot;
    const auto waiting = tables.free_of(record.profile_key, slot);
    if (!waiting) return insert(record, now, slot).has_value();
    if (is_taken_by_another(record, *waiting)) return false;
    tables.take(*waiting);
    (void)insert(record, now, slot);
    return false;
  }

  bool store_debounced(const EventRecord& record, Millis reported_at, Millis now) {
    const Timing& timing = *record.timing;
    const auto known = collapsing_.find(timing.slot);
    const Row* const row =
        known == collapsing_.end() ? nullptr : tables.find(known->second.event_id);
    if (row != nullptr && row->state == Row::State::kDelayed && row->attempts == 0 &&
        row->next_at == known->second.due_at) {
      if (reported_at < std::min(known->second.as_of, now)) return false;
      if (is_taken_by_another(record, row->id)) return false;
      tables.change(row->id, [&](Row& waiting) {
        waiting.queue = record.queue;
        waiting.dedup_key = record.dedup_key;
        waiting.profile_key = record.profile_key;
        waiting.payload = record.payload;
      });
      known->second.as_of = reported_at;
      return false;
    }
    const Millis due = now + std::min<Millis>(timing.debounce.count(), kLongestDebounce);
    const auto id = insert(record, now, {});
    if (!id) return false;
    tables.change(*id, [due](Row& waiting) {
      waiting.state = Row::State::kDelayed;
      waiting.next_at = due;
    });
    collapsing_[timing.slot] = {*id, due, reported_at};
    return true;
  }

  // Removes a timer, and what it has fired if that waits.
  void remove_timer(const Key& slot) {
    const auto found = timers_.find(slot);
    const Timer& timer = found->second;
    for (const Key& key : timer.keys) by_key_[key].erase(slot);
    for (const Key& key : timer.keys) {
      if (by_key_[key].empty()) by_key_.erase(key);
    }
    running_.erase({timer.due_at, slot});
    fired_.erase({timer.due_at, slot});
    if (timer.event_id == 0) {
      tables.bytes -= timer.size();
    } else if (tables.find(timer.event_id) != nullptr) {
      tables.take(timer.event_id);
      ++tables.totals.purged;
    }
    timers_.erase(found);
  }

  // Ends what has the key and is not newer, and remembers it for a day.
  void end(const Key& key, const Key& own_slot, Millis ended_at, Millis now) {
    if (ended_at + kDay > now) {
      End& known = ends_[key];
      ends_by_age_.erase({known.expires_at, key});
      known.as_of = std::max(known.as_of, ended_at);
      known.expires_at = std::max(known.expires_at, ended_at + kDay);
      ends_by_age_.insert({known.expires_at, key});
    }
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    const std::set<Key> slots = found->second;
    for (const Key& slot : slots) {
      const Millis tolerance = slot == key && own_slot != key ? kTolerance : 0;
      if (std::min(timers_.at(slot).as_of, now) <= ended_at + tolerance) remove_timer(slot);
    }
  }

  // Starts the timer of a slot in place of the older one, unless an end is as new or newer.
  void start_timer(const Timing& timing, Millis started_at, Millis now) {
    const Millis delay = std::clamp<Millis>(timing.timer->delay.count(), 0, kLongestTimer);
    Millis due = now + delay;
    if (const auto found = timers_.find(timing.slot); found != timers_.end()) {
      const Timer& known = found->second;
      const Millis as_of = std::min(known.as_of, now);
      if (as_of > started_at || (as_of == started_at && known.event_id > 0)) return;
      if (as_of == started_at) due = std::min(due, known.due_at);
      remove_timer(timing.slot);
    }
    Timer timer{.due_at = due, .delay = delay, .as_of = started_at, .event = timing.timer->event};
    timer.keys = timing.timer->cancelled_by;
    timer.keys.push_back(timing.slot);
    for (const Key& key : timer.keys) {
      const auto end = ends_.find(key);
      if (end != ends_.end() && end->second.as_of >= started_at) return;
    }
    for (const Key& key : timer.keys) by_key_[key].insert(timing.slot);
    running_.insert({due, timing.slot});
    tables.bytes += timer.size();
    timers_.emplace(timing.slot, std::move(timer));
  }

  std::map<Key, Timer> timers_;           // by slot
  std::map<Key, std::set<Key>> by_key_;   // slots of the timers that a key ends
  ByTime running_;                        // slots, by when they are due
  ByTime fired_;                          // slots, by when to look again
  std::map<Key, Collapsing> collapsing_;  // by slot
  std::map<Key, End> ends_;
  ByTime ends_by_age_;
};

}  // namespace postbox::fleet

// ModelOperators is what people ask of a shared outbox in memory: dead letters, held events, lists.
//
// Place:     beside ModelStore's part for servers.
// Threads:   one.
// Lifetime:  a call's.
// Failure:   none.
#pragma once

#include <string>
#include <vector>

#include "model_store.hpp"

namespace postbox::fleet {

class ModelOperators {
 public:
  explicit ModelOperators(ModelStore& store) : store_(store), tables_(store.tables()) {}

  [[nodiscard]] std::vector<DeadLetter> dead(const EventFilter& filter, EventHandle after,
                                             std::size_t max) const {
    std::vector<DeadLetter> letters;
    for (const std::int64_t id : dead_ids(filter, after)) {
      if (letters.size() == max) break;
      const DeadRow& dead = tables_.dead().at(id);
      letters.push_back(
          {.handle = EventHandle{id},
           .attempts = dead.row.attempts,
           .age = since(dead.row.created_at),
           .first_attempt = since(std::max(dead.row.created_at, dead.row.first_attempt_at)),
           .dead_since = since(dead.died_at),
           .http_status = dead.http_status,
           .reason = dead.reason,
           .pointer = dead.pointer,
           .record = record_of(dead.row)});
    }
    return letters;
  }

  std::size_t replay(const EventFilter& filter, std::size_t max, const Rewrite& rewrite) {
    std::size_t revived = 0;
    for (const std::int64_t id : dead_ids(filter, kFirst)) {
      if (revived == max) break;
      const Row& dead = tables_.dead().at(id).row;
      EventRecord record = record_of(dead);
      if (rewrite) rewrite(record);
      const bool waits = tables_.find(dead.queue, dead.dedup_key) != nullptr ||
                         tables_.find(record.queue, dead.dedup_key) != nullptr;
      if (waits) continue;
      Row row = tables_.unbury(id).row;
      row = {.id = row.id,
             .queue = record.queue,
             .created_at = row.created_at,
             .dedup_key = row.dedup_key,
             .profile_key = row.profile_key,
             .slot = row.slot,
             .payload = std::move(record.payload)};
      tables_.insert(std::move(row));
      ++revived;
    }
    return revived;
  }

  std::size_t purge(const EventFilter& filter) {
    const std::vector<std::int64_t> ids = dead_ids(filter, kFirst);
    for (const std::int64_t id : ids) (void)tables_.unbury(id);
    tables_.totals.purged += ids.size();
    return ids.size();
  }

  [[nodiscard]] std::vector<HeldEvent> held(const HeldFilter& filter, EventHandle after,
                                            std::size_t max) const {
    std::vector<HeldEvent> events;
    for (const std::int64_t id : held_ids(filter, after, max)) {
      const Row& row = *tables_.find(id);
      events.push_back({.handle = EventHandle{id},
                        .attempts = row.attempts,
                        .age = since(row.created_at),
                        .record = record_of(row)});
    }
    return events;
  }

  std::vector<EventHandle> free_held(const HeldFilter& filter, EventHandle after, std::size_t max) {
    std::vector<EventHandle> freed;
    for (const std::int64_t id : held_ids(filter, after, std::min(max, ModelStore::kChunk))) {
      tables_.change(id, [](Row& row) { row.state = Row::State::kReady; });
      freed.push_back(EventHandle{id});
    }
    return freed;
  }

  std::size_t purge_held(const HeldFilter& filter) {
    const auto ids = held_ids(filter, kFirst, static_cast<std::size_t>(-1));
    for (const std::int64_t id : ids) tables_.take(id);
    tables_.totals.purged += ids.size();
    return ids.size();
  }

  Released release_held(QueueId queue, Flag flag, EventHandle after) {
    constexpr std::size_t kLookedAt = 2'000;
    const auto ids = ids_of(after, kLookedAt, [&](const Row& row) {
      return row.state == Row::State::kHeld && row.queue == queue;
    });
    Released released;
    for (const std::int64_t id : ids) {
      if (!flag.is_on() && !flag.includes(tables_.find(id)->profile_key)) continue;
      tables_.change(id, [](Row& row) { row.state = Row::State::kReady; });
      ++released.released;
    }
    if (ids.size() == kLookedAt) released.go_on_after = EventHandle{ids.back()};
    return released;
  }

  [[nodiscard]] std::vector<ListedEvent> list(EventHandle after, std::size_t max) const {
    std::map<std::int64_t, ListedEvent> events;
    for (const auto& [id, row] : tables_.rows()) events.emplace(id, listed(row));
    for (const auto& [id, dead] : tables_.dead()) {
      ListedEvent event = listed(dead.row);
      event.state = EventState::kDead;
      event.due.reset();
      event.http_status = dead.http_status;
      event.reason = dead.reason;
      events.emplace(id, std::move(event));
    }
    std::vector<ListedEvent> page;
    const auto from = events.upper_bound(static_cast<std::int64_t>(after));
    for (auto it = from; it != events.end() && page.size() < max; ++it) page.push_back(it->second);
    return page;
  }

  std::size_t purge_profile(const Key& profile) {
    std::size_t purged = 0;
    for (const auto& id : ids_of(kFirst, static_cast<std::size_t>(-1),
                                 [&](const Row& row) { return row.profile_key == profile; })) {
      tables_.take(id);
      ++purged;
    }
    std::vector<std::int64_t> letters;
    for (const auto& [id, dead] : tables_.dead()) {
      if (dead.row.profile_key == profile) letters.push_back(id);
    }
    for (const std::int64_t id : letters) (void)tables_.unbury(id);
    purged += letters.size();
    tables_.totals.purged += purged;
    return purged + store_.timing().forget_timers(profile);
  }

  [[nodiscard]] Checked check() const {
    Checked checked;
    checked.events =
        tables_.rows().size() + tables_.dead().size() + store_.timing().timers_pending();
    const OutboxTotals& totals = tables_.totals;
    const std::uint64_t counted =
        totals.appended + totals.fired - totals.delivered - totals.purged - totals.expired;
    if (counted != tables_.rows().size() + tables_.dead().size()) {
      checked.problems.emplace_back("the totals do not add up to the rows");
    }
    std::uint64_t bytes = store_.timing().bytes_of_timers();
    std::uint64_t dead_bytes = 0;
    for (const auto& [id, row] : tables_.rows()) bytes += row.size();
    for (const auto& [id, dead] : tables_.dead()) dead_bytes += dead.size();
    if (bytes != tables_.bytes) checked.problems.emplace_back("bytes are counted wrongly");
    if (dead_bytes != tables_.dead_bytes) {
      checked.problems.emplace_back("bytes of dead letters are counted wrongly");
    }
    return checked;
  }

 private:
  static constexpr EventHandle kFirst{0};

  [[nodiscard]] std::chrono::milliseconds since(Millis then) const {
    return std::chrono::milliseconds(std::max<Millis>(0, store_.now() - then));
  }

  static EventRecord record_of(const Row& row) {
    return {.queue = row.queue,
            .dedup_key = row.dedup_key,
            .profile_key = row.profile_key,
            .payload = row.payload};
  }

  template <class Matches>
  [[nodiscard]] std::vector<std::int64_t> ids_of(EventHandle after, std::size_t max,
                                                 Matches matches) const {
    std::vector<std::int64_t> ids;
    const auto& rows = tables_.rows();
    const auto from = rows.upper_bound(static_cast<std::int64_t>(after));
    for (auto it = from; it != rows.end() && ids.size() < max; ++it) {
      if (matches(it->second)) ids.push_back(it->first);
    }
    return ids;
  }

  [[nodiscard]] std::vector<std::int64_t> dead_ids(const EventFilter& filter,
                                                   EventHandle after) const {
    std::vector<std::int64_t> ids;
    for (const auto& [id, dead] : tables_.dead()) {
      const Millis dead_for = filter.dead_for ? filter.dead_for->count() : 0;
      if (id <= static_cast<std::int64_t>(after)) continue;
      if (filter.handle && EventHandle{id} != *filter.handle) continue;
      if (filter.queue && dead.row.queue != *filter.queue) continue;
      if (dead_for > 0 && dead.died_at > store_.now() - dead_for) continue;
      if (dead.reason.find(filter.reason) != std::string::npos) ids.push_back(id);
    }
    return ids;
  }

  [[nodiscard]] std::vector<std::int64_t> held_ids(const HeldFilter& filter, EventHandle after,
                                                   std::size_t max) const {
    return ids_of(after, max, [&](const Row& row) {
      const Millis waits = filter.waits_for ? filter.waits_for->count() : 0;
      if (filter.handle && EventHandle{row.id} != *filter.handle) return false;
      if (filter.queue && row.queue != *filter.queue) return false;
      if (waits > 0 && row.created_at > store_.now() - waits) return false;
      if (row.state == Row::State::kHeld) return true;
      const auto queue = static_cast<std::uint32_t>(row.queue);
      const bool is_off = queue < 64 && (filter.off_queues >> queue & 1U) == 1;
      return is_off && (row.state == Row::State::kDelayed || !row.is_leased(store_.now()));
    });
  }

  [[nodiscard]] ListedEvent listed(const Row& row) const {
    ListedEvent event{.handle = EventHandle{row.id},
                      .attempts = row.attempts,
                      .age = since(row.created_at),
                      .record = record_of(row)};
    event.state = row.state == Row::State::kDelayed ? EventState::kDelayed
                  : row.state == Row::State::kHeld  ? EventState::kHeld
                  : row.is_leased(store_.now())     ? EventState::kLeased
                                                    : EventState::kReady;
    if (row.state == Row::State::kDelayed) {
      event.due = std::chrono::milliseconds(std::max<Millis>(0, row.next_at - store_.now()));
    }
    return event;
  }

  ModelStore& store_;
  ModelTables& tables_;
};

}  // namespace postbox::fleet

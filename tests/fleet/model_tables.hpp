// ModelTables is the rows of a shared outbox in standard containers: what waits, dead letters, and
// the totals, which every change keeps.
//
// Place:     below ModelStore. What the columns mean is in src/postgres_outbox/version_1.sql.
// Threads:   one.
// Lifetime:  a store's.
// Failure:   none: a change that is not there changes nothing.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <postbox/outbox.hpp>

namespace postbox::fleet {

using Millis = std::int64_t;  // since 1970, by the store's clock, or a duration
inline constexpr Millis kDay = 86'400'000;
inline constexpr Millis kForever = std::numeric_limits<Millis>::max();

struct Row {
  enum class State : std::uint8_t { kReady, kDelayed, kHeld };

  std::int64_t id = 0;
  QueueId queue{};
  Millis created_at = 0;
  Millis next_at = 0;
  Millis lease_until = 0;
  std::int64_t lease_token = 0;  // zero: in no one's hands
  Millis claimed_at = 0;
  Millis first_attempt_at = 0;
  std::uint32_t attempts = 0;
  State state = State::kReady;
  Key dedup_key{};
  Key profile_key{};
  std::optional<Key> slot{};  // of a row in order
  std::string payload{};

  // A lease that ends too far ahead was taken before the clock was set back.
  [[nodiscard]] bool is_leased(Millis now) const noexcept {
    return lease_until > now && lease_until <= now + kDay;
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return 400 + 2 * payload.size(); }
};

struct DeadRow {
  Row row;
  Millis died_at = 0;
  int http_status = 0;
  std::string reason{};
  std::string pointer{};

  [[nodiscard]] std::uint64_t size() const noexcept {
    return 200 + row.payload.size() + reason.size() + pointer.size();
  }
};

class ModelTables {
 public:
  using Rows = std::map<std::int64_t, Row>;
  using DeadRows = std::map<std::int64_t, DeadRow>;

  OutboxTotals totals{};
  std::uint64_t bytes = 0;       // of rows, and of timers that run
  std::uint64_t dead_bytes = 0;  // of dead letters

  [[nodiscard]] const Rows& rows() const noexcept { return rows_; }
  [[nodiscard]] const DeadRows& dead() const noexcept { return dead_; }
  [[nodiscard]] const Row* find(std::int64_t id) const {
    const auto found = rows_.find(id);
    return found == rows_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Row* find(QueueId queue, const Key& dedup) const {
    const auto found = by_key_.find({queue, dedup});
    return found == by_key_.end() ? nullptr : find(found->second);
  }

  // Gives the row an id unless it has one. Returns it, or nothing when its key is there already.
  std::optional<std::int64_t> insert(Row row) {
    if (by_key_.contains({row.queue, row.dedup_key})) return std::nullopt;
    if (row.id == 0) row.id = ++last_id_;
    bytes += row.size();
    link(row);
    const std::int64_t id = row.id;
    rows_.emplace(id, std::move(row));
    return id;
  }

  // Calls `edit(row)`, which may change all but the id. Its key must be free.
  template <class Edit>
  void change(std::int64_t id, Edit edit) {
    Row& row = rows_.at(id);
    unlink(row);
    bytes -= row.size();
    edit(row);
    bytes += row.size();
    link(row);
  }

  Row take(std::int64_t id) {
    const auto found = rows_.find(id);
    Row row = std::move(found->second);
    unlink(row);
    bytes -= row.size();
    rows_.erase(found);
    return row;
  }

  // Puts the row at the end.
  std::int64_t renew(std::int64_t id) {
    Row row = take(id);
    row.id = 0;
    return *insert(std::move(row));
  }

  void bury(DeadRow row) {
    dead_bytes += row.size();
    by_death_.insert({row.died_at, row.row.id});
    dead_.emplace(row.row.id, std::move(row));
  }
  DeadRow unbury(std::int64_t id) {
    const auto found = dead_.find(id);
    DeadRow row = std::move(found->second);
    dead_bytes -= row.size();
    by_death_.erase({row.died_at, id});
    dead_.erase(found);
    return row;
  }

  // Whether an older row of its profile must leave first.
  [[nodiscard]] bool has_older(const Row& row) const {
    if (!row.slot) return false;
    const auto found = in_order_.find(row.profile_key);
    return found != in_order_.end() && *found->second.begin() < row.id;
  }
  [[nodiscard]] bool has_newer(const Key& profile, std::int64_t id) const {
    const auto found = in_order_.find(profile);
    return found != in_order_.end() && *found->second.rbegin() > id;
  }

  // The newest of the slot that is in no one's hands.
  [[nodiscard]] std::optional<std::int64_t> free_of(const Key& profile, const Key& slot) const {
    const auto found = in_order_.find(profile);
    if (found == in_order_.end()) return std::nullopt;
    for (auto id = found->second.rbegin(); id != found->second.rend(); ++id) {
      const Row& row = rows_.at(*id);
      if (row.slot == slot && row.lease_token == 0) return *id;
    }
    return std::nullopt;
  }

  // Ready rows of each queue, those under lease among them.
  [[nodiscard]] const std::map<QueueId, std::set<std::int64_t>>& ready() const noexcept {
    return ready_;
  }
  // Delayed rows, and dead letters, by their time.
  [[nodiscard]] const std::set<std::pair<Millis, std::int64_t>>& delayed() const noexcept {
    return delayed_;
  }
  [[nodiscard]] const std::set<std::pair<Millis, std::int64_t>>& deaths() const noexcept {
    return by_death_;
  }

 private:
  void link(const Row& row) {
    by_key_[{row.queue, row.dedup_key}] = row.id;
    if (row.slot) in_order_[row.profile_key].insert(row.id);
    if (row.state == Row::State::kReady) ready_[row.queue].insert(row.id);
    if (row.state == Row::State::kDelayed) delayed_.insert({row.next_at, row.id});
  }
  void unlink(const Row& row) {
    by_key_.erase({row.queue, row.dedup_key});
    erase_from(in_order_, row.profile_key, row.id);
    if (row.state == Row::State::kReady) erase_from(ready_, row.queue, row.id);
    delayed_.erase({row.next_at, row.id});
  }
  template <class Of>
  static void erase_from(std::map<Of, std::set<std::int64_t>>& index, const Of& of,
                         std::int64_t id) {
    const auto found = index.find(of);
    if (found == index.end()) return;
    found->second.erase(id);
    if (found->second.empty()) index.erase(found);
  }

  std::int64_t last_id_ = 0;
  Rows rows_;
  DeadRows dead_;
  std::map<std::pair<QueueId, Key>, std::int64_t> by_key_;
  std::map<Key, std::set<std::int64_t>> in_order_;  // by profile
  std::map<QueueId, std::set<std::int64_t>> ready_;
  std::set<std::pair<Millis, std::int64_t>> delayed_;
  std::set<std::pair<Millis, std::int64_t>> by_death_;
};

}  // namespace postbox::fleet

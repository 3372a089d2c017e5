#include "spill_queue.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "spill_record.hpp"

namespace postbox {
namespace {

// Numbers of no family's: nobody sends from the file by mistake. On disk; do not change. Records
// that are no events have a queue of their own, so that the store counts the events.
constexpr std::array<QueueId, 2> kQueues{QueueId{0xffff'fff0}, QueueId{0xffff'fff1}};
constexpr std::size_t kEvents = 0;
constexpr std::size_t kEffects = 1;

// Room for the keys and times of a record.
constexpr Bytes kAround = kibibytes(64);

constexpr std::chrono::milliseconds kLease = std::chrono::hours(1);

// No two rows have the same: which events are the same is decided where they go.
Key key_of(std::int64_t batch, std::uint64_t place) {
  Key key{};
  static_assert(sizeof(batch) + sizeof(place) == sizeof(key));
  std::memcpy(key.data(), &batch, sizeof(batch));
  std::memcpy(key.data() + sizeof(batch), &place, sizeof(place));
  return key;
}

// Of whom the row is forgotten.
Key profile_of(const EventRecord& record) {
  if (has_event(record)) return record.profile_key;
  return record.timing->timer ? record.timing->timer->event.profile_key : Key{};
}

EventRecord row_of(const EventRecord& record, const Key& key) {
  return {.queue = kQueues.at(has_event(record) ? kEvents : kEffects),
          .dedup_key = key,
          .profile_key = profile_of(record),
          .payload = spill_bytes(record)};
}

// Returns whether it changed anything.
bool rewrite_one(EventRecord& record, const PayloadRewrite& rewrite) {
  auto changed = rewrite(record.dedup_key, record.payload);
  if (!changed) return false;
  record.payload = *std::move(changed);
  return true;
}

// A row of a claim, and of which.
struct Row {
  std::size_t part = 0;
  const ClaimedEvent* event = nullptr;
  bool is_behind_a_gap = false;  // the other claim may have been cut before it
};

// In the order in which they came.
std::vector<Row> rows_of(const std::array<Claim, 2>& claims) {
  std::vector<Row> rows;
  EventHandle last{std::numeric_limits<std::int64_t>::max()};
  for (std::size_t part = 0; part < claims.size(); ++part) {
    for (const ClaimedEvent& event : claims.at(part).events) rows.push_back({part, &event});
    if (claims.at(part).limited && !claims.at(part).events.empty()) {
      last = std::min(last, claims.at(part).events.back().handle);
    }
  }
  for (Row& row : rows) row.is_behind_a_gap = row.event->handle > last;
  std::ranges::sort(rows, {}, [](const Row& row) { return row.event->handle; });
  return rows;
}

const Outcome kStays{.kind = OutcomeKind::kRetry, .spend_attempt = false};

}  // namespace

SpillQueue::Count& SpillQueue::Count::operator+=(const Count& other) noexcept {
  events += other.events;
  effects += other.effects;
  return *this;
}

SpillQueue::Count& SpillQueue::Count::operator-=(const Count& other) noexcept {
  events -= std::min(events, other.events);
  effects -= std::min(effects, other.effects);
  return *this;
}

SpillQueue::Count SpillQueue::count_of(std::span<const EventRecord> batch) {
  const auto events = static_cast<std::uint64_t>(std::ranges::count_if(batch, has_event));
  return {events, batch.size() - events};
}

Bytes SpillQueue::max_payload() const noexcept {
  return Bytes{(store_->caps().max_payload.count - kAround.count) / 2};
}

Result<Appended> SpillQueue::put(std::span<const EventRecord> batch) {
  if (batch.empty()) return store_->append(batch);
  const MutexLock lock(writing_);
  const std::int64_t number = numbers_.of(batch);
  std::vector<EventRecord> rows;
  rows.reserve(batch.size());
  for (const EventRecord& record : batch)
    rows.push_back(row_of(record, key_of(number, rows.size())));
  numbers_.not_sure(batch, {});
  is_used_ = true;
  auto appended = store_->append(rows);
  if (!appended) return appended;
  numbers_.sure();
  appended->inserted = static_cast<std::size_t>(count_of(batch).events);
  appended->duplicates = 0;
  return appended;
}

// A program that only looks makes no file, which would be another user's than the server's.
bool SpillQueue::is_made() const {
  const std::string file = store_->file().value_or("");
  std::error_code ignored;
  return is_used_ || file.empty() || std::filesystem::exists(file, ignored);
}

Result<SpillQueue::Contents> SpillQueue::contents() {
  if (!is_made()) return Contents{};
  const auto stats = store_->stats();
  if (!stats) return stats.error();
  Contents contents{.purged = stats->totals.purged};
  for (const QueueStats& queue : stats->queues) {
    const std::uint64_t waiting = queue.ready + queue.leased + queue.delayed + queue.held;
    if (queue.queue == kQueues[kEffects]) contents.waiting.effects = waiting;
    if (queue.queue != kQueues[kEvents]) continue;
    contents.waiting.events = waiting;
    contents.dead = queue.dead;
  }
  return contents;
}

Result<SpillQueue::Claims> SpillQueue::claim(std::size_t max_records, Bytes max_bytes) {
  Claims claims;
  for (std::size_t part = 0; part < claims.size(); ++part) {
    auto claimed = store_->claim(kQueues.at(part), {max_records, max_bytes}, kLease);
    if (!claimed) {
      for (const ClaimedEvent& event : claims[kEvents].events) {
        decide(claims[kEvents].token, kStays, event.handle);
      }
      return claimed.error();
    }
    claims.at(part) = *std::move(claimed);
  }
  return claims;
}

Result<SpillQueue::Front> SpillQueue::front(std::size_t max_records, Bytes max_bytes) {
  is_used_ = true;
  if (const auto settled = settle(); !settled) return settled.error();
  auto claims = claim(max_records, max_bytes);
  if (!claims) return claims.error();
  Front front;
  front.damaged = {claims->at(kEvents).damaged, claims->at(kEffects).damaged};
  std::optional<Error> unknown;
  for (const Row& row : rows_of(*claims)) {
    const ClaimToken token = claims->at(row.part).token;
    const EventHandle handle = row.event->handle;
    if (unknown || row.is_behind_a_gap || front.rows.size() == max_records) {
      decide(token, kStays, handle);
      continue;
    }
    auto record = spilled_record(row.event->record.payload);
    if (!record && record.error().code == ErrorCode::kOutboxTooNew) {
      unknown = record.error();
      decide(token, kStays, handle);
      continue;
    }
    Count& count = record ? front.count : front.damaged;
    ++(row.part == kEvents ? count.events : count.effects);
    if (record) {
      front.rows.push_back({token, handle});
      front.records.push_back(*std::move(record));
    } else {
      decide(token,
             {.kind = OutcomeKind::kDead, .spend_attempt = false, .reason = record.error().message},
             handle);
    }
  }
  if (unknown && front.rows.empty() && !front.damaged.any()) return *unknown;
  return front;
}

void SpillQueue::bury(const Front& front, const std::string& reason) {
  decide(front, {.kind = OutcomeKind::kDead, .spend_attempt = false, .reason = reason});
}

void SpillQueue::decide(const Front& front, const Outcome& outcome) {
  for (const Front::Row& row : front.rows) decide(row.token, outcome, row.handle);
  (void)settle();
}

void SpillQueue::decide(ClaimToken token, Outcome outcome, EventHandle handle) {
  outcome.handle = handle;
  unsettled_[token].push_back(std::move(outcome));
}

Result<void> SpillQueue::settle() {
  if (unsettled_.empty()) return {};
  std::vector<Decision> decisions;
  for (const auto& [token, outcomes] : unsettled_) decisions.push_back({token, outcomes});
  const auto settled = store_->settle_all(decisions);
  if (!settled) return settled.error();
  unsettled_.clear();
  return {};
}

// A settlement is not on the disk when it returns; a text that is kept is, and all that came
// before.
Result<void> SpillQueue::confirm_removed(std::string_view mark) {
  if (!is_made()) return {};
  if (const auto settled = settle(); !settled) return settled.error();
  const auto kept = store_->exchange("spill_removed", mark);
  if (!kept) return kept.error();
  return {};
}

Result<std::size_t> SpillQueue::purge_profile(const Key& profile) {
  if (!is_made()) return std::size_t{0};
  return store_->purge_profile(profile);
}

void SpillQueue::tidy() {
  // Damaged events stay: nobody else has them.
  constexpr std::chrono::hours kForever{24 * 366 * 100};
  if (is_made()) (void)store_->maintain(kForever);
}

Result<Checked> SpillQueue::check() {
  if (!is_made()) return Checked{};
  return store_->check();
}

Result<std::string> SpillQueue::keep(std::string_view name, std::string_view text) {
  if (text.empty() && !is_made()) return std::string();
  return store_->keep(name, text);
}

Result<std::size_t> SpillQueue::rewrite_payloads(const PayloadRewrite& rewrite) {
  if (!is_made()) return std::size_t{0};
  return store_->rewrite_payloads(
      [&rewrite](const Key& /*row*/, std::string_view bytes) -> std::optional<std::string> {
        auto record = spilled_record(bytes);
        if (!record) return std::nullopt;
        bool is_changed = has_event(*record) && rewrite_one(*record, rewrite);
        if (record->timing && record->timing->timer) {
          Timing timing = *record->timing;
          is_changed |= rewrite_one(timing.timer->event, rewrite);
          record->timing = std::move(timing);
        }
        if (!is_changed) return std::nullopt;
        return spill_bytes(*record);
      });
}

}  // namespace postbox

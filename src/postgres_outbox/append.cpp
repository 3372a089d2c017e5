// How a batch of records gets into the PostgreSQL outbox's tables.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/record_checksum.hpp"
#include "outbox.hpp"
#include "rows.hpp"

namespace postbox {
namespace {

using postgres::Delta;
using postgres::Failure;
using postgres::Parameters;
using postgres::Rows;
using postgres::Session;
using postgres::Statement;
using postgres::Transaction;

using Batch = std::span<const EventRecord>;

void check_payloads(Batch batch, Bytes most) {
  for (const EventRecord& record : batch) {
    const bool timed = record.timing && record.timing->timer;
    const std::size_t size =
        std::max(record.payload.size(), timed ? record.timing->timer->event.payload.size() : 0);
    if (size <= most.count) continue;
    throw Failure(Error{ErrorCode::kInvalidArgument, "a payload of " + std::to_string(size) +
                                                         " bytes is larger than " +
                                                         std::to_string(most.count)});
  }
}

Appended room_left(std::uint64_t used, Bytes allowed) {
  constexpr std::uint64_t kAll = 1'000;
  Appended room;
  room.fullness = static_cast<std::uint32_t>(std::min(kAll, used * kAll / allowed.count));
  room.room = Bytes{used < allowed.count ? allowed.count - used : 0};
  return room;
}

Failure full(std::uint64_t used, Bytes allowed) {
  return Failure(Error{ErrorCode::kOutboxFull,
                       "the outbox holds " + std::to_string(used) +
                           " bytes, and POSTBOX_MAX_DISK allows " + std::to_string(allowed.count) +
                           ": it goes on when events have been delivered, or raise the limit"});
}

// Columns of records without a timing.
struct Columns {
  explicit Columns(Batch records) {
    std::vector<const EventRecord*> pointers;
    for (const EventRecord& record : records) {
      queues.push_back(postgres::number_of(record.queue));
      dedup_keys.push_back(record.dedup_key);
      profile_keys.push_back(record.profile_key);
      payloads.emplace_back(record.payload);
      pointers.push_back(&record);
    }
    checksums.resize(records.size());
    checksums_of(pointers, checksums);
  }

  std::vector<std::int64_t> queues;
  std::vector<Key> dedup_keys;
  std::vector<Key> profile_keys;
  std::vector<std::int64_t> checksums;
  std::vector<std::string_view> payloads;
};

// In one statement, and one round trip: stores, counts, and does neither when the outbox is full.
// In the order of the batch, which gives them their ids.
Appended append_plain(Session& session, Batch batch, std::int64_t number, Bytes allowed) {
  const Columns columns(batch);
  Transaction transaction(session, Transaction::Kind::kDurable);
  const Rows rows = transaction.finish(
      "WITH room AS MATERIALIZED ("
      "  SELECT sum(bytes + dead_bytes)::bigint AS used FROM postbox_totals),"
      " stored AS ("
      "  INSERT INTO postbox_outbox(queue_id, created_at, dedup_key, profile_key, checksum, "
      "payload)"
      "  SELECT queue, (SELECT postbox_now($1)), dedup, profile, checksum, payload"
      "  FROM unnest($2, $3, $4, $5, $6) WITH ORDINALITY"
      "   AS each(queue, dedup, profile, checksum, payload, place)"
      "  WHERE (SELECT used FROM room) < $7 ORDER BY place"
      "  ON CONFLICT (queue_id, dedup_key) DO NOTHING RETURNING postbox_size(payload) AS size),"
      " counted AS ("
      "  UPDATE postbox_totals SET appended = appended + (SELECT count(*) FROM stored),"
      "   duplicates = duplicates + $8 - (SELECT count(*) FROM stored),"
      "   bytes = bytes + (SELECT coalesce(sum(size), 0)::bigint FROM stored), last_batch = $9,"
      "   last_inserted = (SELECT count(*) FROM stored)"
      "  WHERE part = $10 AND (SELECT used FROM room) < $7)"
      " SELECT used, (SELECT count(*) FROM stored) FROM room",
      Parameters(session.time.injected(), columns.queues, columns.dedup_keys, columns.profile_keys,
                 columns.checksums, columns.payloads, static_cast<std::int64_t>(allowed.count),
                 static_cast<std::int64_t>(batch.size()), number, session.part));
  const auto used = static_cast<std::uint64_t>(rows.integer(0, 0));
  if (used >= allowed.count) throw full(used, allowed);
  Appended appended = room_left(used, allowed);
  appended.inserted = static_cast<std::size_t>(rows.integer(0, 1));
  appended.duplicates = batch.size() - appended.inserted;
  return appended;
}

Statement plain_statement(Session& session, Batch records) {
  const Columns columns(records);
  return {
      "WITH stored AS ("
      " INSERT INTO postbox_outbox(queue_id, created_at, dedup_key, profile_key, checksum,"
      "  payload)"
      " SELECT queue, (SELECT postbox_now($1)), dedup, profile, checksum, payload"
      " FROM unnest($2, $3, $4, $5, $6) WITH ORDINALITY"
      "  AS each(queue, dedup, profile, checksum, payload, place)"
      " ORDER BY place"
      " ON CONFLICT (queue_id, dedup_key) DO NOTHING RETURNING postbox_size(payload) AS size)"
      " SELECT count(*)::int, 0, coalesce(sum(size), 0)::bigint, 0 FROM stored",
      Parameters(session.time.injected(), columns.queues, columns.dedup_keys, columns.profile_keys,
                 columns.checksums, columns.payloads)};
}

Statement timed_statement(Session& session, const EventRecord& record) {
  const Timing& timing = *record.timing;
  Parameters parameters(session.time.injected(), postgres::number_of(record.queue),
                        record.dedup_key, record.profile_key, std::string_view(record.payload),
                        checksum_of(record.dedup_key, record.payload), timing.slot,
                        std::int64_t{timing.as_of.time_since_epoch().count()},
                        std::int64_t{timing.debounce.count()}, timing.cancels, timing.effects_only,
                        timing.in_order);
  if (timing.timer) {
    const EventRecord& event = timing.timer->event;
    parameters.add(std::int64_t{timing.timer->delay.count()})
        .add(timing.timer->cancelled_by)
        .add(postgres::number_of(event.queue))
        .add(event.dedup_key)
        .add(event.profile_key)
        .add(std::string_view(event.payload))
        .add(checksum_of(event.dedup_key, event.payload));
    return {
        "SELECT stored, purged, bytes, ends FROM postbox_store(postbox_now($1), $2, $3, $4, $5,"
        " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        std::move(parameters)};
  }
  return {
      "SELECT stored, purged, bytes, ends FROM postbox_store(postbox_now($1), $2, $3, $4, $5,"
      " $6, $7, $8, $9, $10, $11, $12, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
      std::move(parameters)};
}

// Runs of records without a timing, and each with one by itself.
std::vector<Statement> statements_of(Session& session, Batch batch) {
  std::vector<Statement> statements;
  while (!batch.empty()) {
    const auto timed = std::ranges::find_if(
        batch, [](const EventRecord& record) { return static_cast<bool>(record.timing); });
    const auto plain = static_cast<std::size_t>(timed - batch.begin());
    if (plain > 0) {
      statements.push_back(plain_statement(session, batch.first(plain)));
      batch = batch.subspan(plain);
      continue;
    }
    statements.push_back(timed_statement(session, batch.front()));
    batch = batch.subspan(1);
  }
  return statements;
}

// Whatever another transaction could decide about at the same time.
std::vector<Key> keys_of(Batch batch) {
  std::vector<Key> keys;
  for (const EventRecord& record : batch) {
    if (!record.timing) continue;
    const Timing& timing = *record.timing;
    keys.insert(keys.end(), timing.cancels.begin(), timing.cancels.end());
    if (timing.in_order) keys.push_back(record.profile_key);
    if (timing.debounce.count() > 0 || timing.timer) keys.push_back(timing.slot);
    if (!timing.timer) continue;
    keys.insert(keys.end(), timing.timer->cancelled_by.begin(), timing.timer->cancelled_by.end());
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::size_t events_in(Batch batch) {
  return static_cast<std::size_t>(std::ranges::count_if(batch, has_event));
}

// Does what the records say, and returns what that changes.
Delta store(Session& session, Transaction& transaction, Batch batch, std::int64_t number) {
  Delta delta{.batch = number};
  for (const Rows& rows : transaction.run_all(statements_of(session, batch))) {
    delta.appended += rows.integer(0, 0);
    delta.purged += rows.integer(0, 1);
    delta.bytes += rows.integer(0, 2);
    delta.ends += rows.integer(0, 3);
  }
  delta.duplicates = static_cast<std::int64_t>(events_in(batch)) - delta.appended;
  return delta;
}

bool is_timed(Batch batch) {
  return std::ranges::any_of(
      batch, [](const EventRecord& record) { return static_cast<bool>(record.timing); });
}

std::vector<EventRecord> without_events(Batch batch) {
  std::vector<EventRecord> effects;
  std::ranges::copy_if(batch, std::back_inserter(effects),
                       [](const EventRecord& record) { return !has_event(record); });
  return effects;
}

std::uint64_t used_now(const Rows& rows) { return static_cast<std::uint64_t>(rows.integer(0, 0)); }

constexpr const char* kUsed = "SELECT sum(bytes + dead_bytes)::bigint FROM postbox_totals";

// Three round trips: the locks and the room, the records, and the totals with the commit.
Appended append_timed(Session& session, Batch batch, std::int64_t number, Bytes allowed,
                      BatchNumber& batches) {
  Transaction transaction(session, Transaction::Kind::kDurable);
  std::vector<Statement> first;
  first.push_back({"SELECT postbox_lock($1)", Parameters(keys_of(batch))});
  first.push_back({kUsed});
  const std::uint64_t used = used_now(transaction.run_all(std::move(first)).back());
  const std::vector<EventRecord> effects = without_events(batch);
  const bool is_full = used >= allowed.count && effects.size() < batch.size();
  if (is_full) {
    if (batches.is_refused_first(batch) && !effects.empty()) {
      finish(session, transaction, store(session, transaction, effects, 0));
    }
    throw full(used, allowed);
  }
  const Delta delta = store(session, transaction, batch, number);
  finish(session, transaction, delta);
  Appended appended = room_left(used, allowed);
  appended.inserted = static_cast<std::size_t>(delta.appended);
  appended.duplicates = static_cast<std::size_t>(delta.duplicates);
  return appended;
}

// The result of an append whose answer was lost; nothing when it was not done. Waits for it, should
// the server still be at it.
std::optional<Appended> already_done(Session& session, Batch batch, std::int64_t number,
                                     Bytes allowed) {
  Transaction transaction(session, Transaction::Kind::kDurable);
  const Rows rows = transaction.run(
      "SELECT last_batch, last_inserted,"
      " (SELECT sum(bytes + dead_bytes)::bigint FROM postbox_totals)"
      " FROM postbox_totals WHERE part = $1 FOR UPDATE",
      Parameters(session.part));
  if (rows.integer(0, 0) != number) return std::nullopt;
  Appended appended = room_left(static_cast<std::uint64_t>(rows.integer(0, 2)), allowed);
  appended.inserted = static_cast<std::size_t>(rows.integer(0, 1));
  appended.duplicates = events_in(batch) - appended.inserted;
  return appended;
}

}  // namespace

Result<Appended> PostgresOutbox::append(Batch batch) {
  return run<Appended>(Role::kWriter, "outbox append", [&](Session& session) {
    check_payloads(batch, caps().max_payload);
    if (batch.empty()) {
      Transaction look(session, Transaction::Kind::kRead);
      const std::uint64_t used = used_now(look.finish(kUsed));
      if (used >= max_disk_.count) throw full(used, max_disk_);
      return room_left(used, max_disk_);
    }
    const MutexLock lock(batch_mutex_);
    const std::int64_t number = batch_.of(batch);
    if (batch_.repeated() != nullptr) {
      const auto done = already_done(session, batch, number, max_disk_);
      if (done) {
        batch_.sure();
        return *done;
      }
    }
    batch_.not_sure(batch, {});
    const Appended appended = is_timed(batch)
                                  ? append_timed(session, batch, number, max_disk_, batch_)
                                  : append_plain(session, batch, number, max_disk_);
    batch_.sure();
    // An update that has given way may have stood before others.
    if (appended.duplicates > 0) fronts_.rescan();
    return appended;
  });
}

}  // namespace postbox

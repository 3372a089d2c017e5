// SpillQueue keeps batches of records in a store of this machine, and gives them back in the order
// in which they came.
//
// Place:     under SpillOutbox. The store is an outbox of its own, a file of SQLite: locks between
//            processes, checksums and the rescue of a damaged file are that one's.
// Threads:   put(), contents() and what the store does may be called from several threads at once;
//            front() and what is done with it by one at a time.
// Lifetime:  shares the store.
// Failure:   the store's errors. May throw std::bad_alloc.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/outbox.hpp>

#include "base/batch_number.hpp"
#include "base/mutex.hpp"

namespace postbox {

class SpillQueue {
 public:
  // Records, those that are events and those that are effects only.
  struct Count {
    std::uint64_t events = 0;
    std::uint64_t effects = 0;

    [[nodiscard]] bool any() const noexcept { return events + effects > 0; }
    Count& operator+=(const Count& other) noexcept;
    Count& operator-=(const Count& other) noexcept;  // not below zero
  };

  struct Contents {
    Count waiting{};
    std::uint64_t dead = 0;    // events that were damaged
    std::uint64_t purged = 0;  // events that were forgotten, since the file was made
  };

  // The oldest records, in the hands of the caller, who decides all of them.
  struct Front {
    std::vector<EventRecord> records;
    Count count;
    Count damaged;  // found on the way: dead letters of the file now

   private:
    friend class SpillQueue;
    struct Row {
      ClaimToken token{};
      EventHandle handle{};
    };
    std::vector<Row> rows;
  };

  explicit SpillQueue(std::shared_ptr<Outbox> store) : store_(std::move(store)) {}

  [[nodiscard]] static Count count_of(std::span<const EventRecord> batch);

  // The largest payload of a record that has a timer with one as large.
  [[nodiscard]] Bytes max_payload() const noexcept;

  // Store all of `batch`, or nothing. One that is repeated after a failure is stored once.
  [[nodiscard]] Result<Appended> put(std::span<const EventRecord> batch) POSTBOX_EXCLUDES(writing_);

  [[nodiscard]] Result<Contents> contents();

  // Of `max_records` and `max_bytes` at most, at least one. None when there is none, and while
  // another process takes them.
  [[nodiscard]] Result<Front> front(std::size_t max_records, Bytes max_bytes);

  // They are elsewhere now. This and the next two are done later, before the next front(), where
  // the disk does not let them be done at once.
  void remove(const Front& front) { decide(front, {.kind = OutcomeKind::kDelivered}); }
  // They stay, and are the front again.
  void give_back(const Front& front) { decide(front, {.spend_attempt = false}); }
  // Nobody can take them: they are dead letters of the file.
  void bury(const Front& front, const std::string& reason);

  // Makes sure that nothing removed comes back after a power cut: it would go behind what is newer.
  // Needs a `mark` that was never given before.
  [[nodiscard]] Result<void> confirm_removed(std::string_view mark);

  // Remove every record of the profile. Returns how many.
  [[nodiscard]] Result<std::size_t> purge_profile(const Key& profile);

  // Outbox::rewrite_payloads() of the records.
  [[nodiscard]] Result<std::size_t> rewrite_payloads(const PayloadRewrite& rewrite);

  // Periodic upkeep of the store: empties its log of forgotten events.
  void tidy();

  // Of the file, see Outbox.
  [[nodiscard]] Result<Checked> check();
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text);

 private:
  using Claims = std::array<Claim, 2>;  // of the events and of the effects

  [[nodiscard]] bool is_made() const;
  [[nodiscard]] Result<Claims> claim(std::size_t max_records, Bytes max_bytes);
  void decide(const Front& front, const Outcome& outcome);
  void decide(ClaimToken token, Outcome outcome, EventHandle handle);
  [[nodiscard]] Result<void> settle();

  const std::shared_ptr<Outbox> store_;
  std::atomic<bool> is_used_{false};  // by this process: it is there even if somebody removed it

  // Decided, and not written yet. Only touched by whoever has the front.
  std::map<ClaimToken, std::vector<Outcome>> unsettled_;

  Mutex writing_;
  BatchNumber numbers_ POSTBOX_GUARDED_BY(writing_);
};

}  // namespace postbox

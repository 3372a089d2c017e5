// BatchNumber tells whether an append that failed was stored after all.
//
// Place:     the outboxes' append().
// Threads:   one thread at a time; guarded by the connection's mutex.
// Lifetime:  as long as the outbox.
// Failure:   none.
//
// A commit that fails at its last step may have been done all the same: SQLite finds it in the log
// when it opens the file again, and of a server it is the answer that was lost. The caller repeats
// the batch in any case: without this, its events would count as stored and, the second time, as
// duplicates.
#pragma once

#include <cstdint>
#include <optional>
#include <postbox/outbox.hpp>
#include <random>
#include <span>
#include <utility>

#include "record_checksum.hpp"

namespace postbox {

class BatchNumber {
 public:
  // Returns the number under which to store `batch`: a new one, or that of the failed append that
  // it repeats.
  [[nodiscard]] std::int64_t of(std::span<const EventRecord> batch) {
    if (!unsure_ || contents_of(batch) != unsure_->contents) {
      ++number_;
      unsure_.reset();
    }
    return number_;
  }

  // The append may have failed with its commit. `appended` is what it would have done.
  void not_sure(std::span<const EventRecord> batch, const Appended& appended) {
    unsure_ = Unsure{contents_of(batch), appended};
  }
  void sure() noexcept { unsure_.reset(); }

  // Whether an append of `batch` is refused as full now, and was not already the last time.
  [[nodiscard]] bool is_refused_first(std::span<const EventRecord> batch) noexcept {
    return std::exchange(refused_, contents_of(batch)) != contents_of(batch);
  }

  // The result of of()'s batch when its number is found in the file.
  [[nodiscard]] const Appended* repeated() const noexcept {
    return unsure_ ? &unsure_->appended : nullptr;
  }

 private:
  struct Unsure {
    std::uint64_t contents;
    Appended appended;
  };

  [[nodiscard]] static std::uint64_t contents_of(std::span<const EventRecord> batch) noexcept {
    std::uint64_t sum = batch.size();
    for (const EventRecord& record : batch) {
      const auto queue = static_cast<std::uint64_t>(record.queue);
      sum = sum * 31 + queue + sum_of(record.dedup_key);
      if (has_event(record)) continue;
      for (const Key& key : record.timing->cancels) sum = sum * 31 + sum_of(key);
    }
    return sum;
  }
  [[nodiscard]] static std::uint64_t sum_of(const Key& key) noexcept {
    return static_cast<std::uint64_t>(checksum_of(key, ""));
  }

  // Begins anywhere: other processes append to the same file.
  std::int64_t number_ = static_cast<std::int64_t>((std::uint64_t{std::random_device{}()} << 31U) |
                                                   std::random_device{}());
  std::optional<Unsure> unsure_;
  std::uint64_t refused_ = 0;
};

}  // namespace postbox

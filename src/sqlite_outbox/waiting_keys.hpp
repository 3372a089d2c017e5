// WaitingKeys finds the row of an event's key, and gives a row its number in the index.
//
// Place:     inside the SQLite outbox: below whatever gives a row of `outbox` its keys.
// Threads:   one at a time, as the connection, in a transaction that writes.
// Lifetime:  attached to its connection (Database::attached()): what it knows is of that file.
// Failure:   throws sqlite::Failure and std::bad_alloc. Where it knows too much, that costs a look
//            at the disk; where it knew too little, a duplicate would be stored and sent again,
//            with the same idempotency key.
//
// An index of hashes is read and written in random places: behind 1,000,000 waiting events each one
// took 45 us of CPU and 17.5 KB of the disk, behind 1,000 it took 12 us and 3.5 KB. So a number
// begins with a time, and rows that come one after the other, and mostly leave so, lie side by side
// in the index: 9 us and 5 KB behind a million, where it is 7 us and 3 KB behind a thousand. That a
// key waits in none of the older parts is known from memory: 11 to 22 bytes for an event that
// waits.
//
// A log of our own, segments that are appended to and deleted whole, was measured beside it as a
// prototype of 200 lines: 5 us and 1.4 KB an event for append, claim and settle, at any length. It
// was not built: of the 300 us that an event costs with its request those are two hundredths, and
// timers, dead letters, held events, forgetting and several processes need the index that it lacks,
// so that SQLite would stand beside it and every crash between the two would be a case of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <postbox/event.hpp>
#include <vector>

#include "sqlite/database.hpp"

namespace postbox::sqlite {

class WaitingKeys {
 public:
  // Those of the connection, up to date in the transaction that is open.
  [[nodiscard]] static WaitingKeys& of(Database& database);

  // Returns the row in which the key waits.
  [[nodiscard]] std::optional<std::int64_t> row_of(Database& database, std::int64_t queue,
                                                   const Key& key) const;

  // False when the key waits in no row, which memory alone can tell.
  [[nodiscard]] bool may_wait(std::int64_t queue, const Key& key) const noexcept;

  // Returns a number for the key, in the part of the index that rows have theirs in which are as
  // new as `id`. `tries` counts those that turned out to be another key's.
  std::int64_t take_number(std::int64_t queue, const Key& key, std::int64_t id, std::int64_t tries);

 private:
  void follow(Database& database);
  void read_all(Database& database);
  void read_from(Database& database, std::int64_t lowest);
  void add(std::int64_t number);
  void resize(std::size_t places);
  [[nodiscard]] std::size_t place_of(std::int64_t number) const noexcept;

  // Calls `visit(number)`, until that returns true, with each that may be of the same key.
  template <class Visit>
  bool any_like(std::int64_t number, Visit visit) const;

  std::vector<std::int64_t> places_;  // an open hash table
  std::size_t count_ = 0;
  std::size_t most_ = 0;           // with more, what has left the outbox is forgotten
  std::uint64_t transaction_ = 0;  // the one in which this was brought up to date
  std::int64_t version_ = 0;       // PRAGMA data_version then: another one when others have written
  std::int64_t part_ = 0;  // the newest then: no row was given a number of an older one since
};

}  // namespace postbox::sqlite

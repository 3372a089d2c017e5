#include "waiting_keys.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "format.hpp"

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

constexpr std::size_t kFewestPlaces = std::size_t{1} << 13;

constexpr std::int64_t kFree = 0;  // of 16 billion keys in the first part one has it as its number

std::int64_t key_bits(std::int64_t number) noexcept { return number & kNumberKeyMask; }

}  // namespace

WaitingKeys& WaitingKeys::of(Database& database) {
  POSTBOX_ASSERT(database.in_transaction());
  auto& keys = database.attached<WaitingKeys>();
  if (keys.transaction_ != database.transactions()) keys.follow(database);
  return keys;
}

// What this connection wrote is known; so is what it rolled back, which costs a look at the disk.
void WaitingKeys::follow(Database& database) {
  const std::int64_t version = database.integer("PRAGMA data_version");
  const std::int64_t part = part_of(database.integer("SELECT last_id FROM totals"));
  if (count_ >= most_) {
    read_all(database);
  } else if (version != version_) {
    read_from(database, part_ << kNumberKeyBits);
  }
  version_ = version;
  part_ = part;
  transaction_ = database.transactions();
}

void WaitingKeys::read_all(Database& database) {
  places_.assign(kFewestPlaces, kFree);
  count_ = most_ = 0;
  read_from(database, std::numeric_limits<std::int64_t>::min());
  most_ = std::max(kFewestPlaces / 2, 2 * count_);
}

void WaitingKeys::read_from(Database& database, std::int64_t lowest) {
  Query query(database, "SELECT dedup FROM outbox INDEXED BY outbox_dedup WHERE dedup >= ?1");
  query.bind(lowest);
  while (query.step()) add(query.integer(0));
}

std::size_t WaitingKeys::place_of(std::int64_t number) const noexcept {
  return static_cast<std::size_t>(key_bits(number)) & (places_.size() - 1);
}

void WaitingKeys::add(std::int64_t number) {
  if (number == kFree) return;
  if ((count_ + 1) * 4 > places_.size() * 3) resize(2 * places_.size());
  std::size_t place = place_of(number);
  for (; places_[place] != kFree; place = (place + 1) & (places_.size() - 1)) {
    if (places_[place] == number) return;
  }
  places_[place] = number;
  ++count_;
}

void WaitingKeys::resize(std::size_t places) {
  const std::vector<std::int64_t> before =
      std::exchange(places_, std::vector<std::int64_t>(places, kFree));
  count_ = 0;
  for (const std::int64_t number : before) add(number);
}

template <class Visit>
bool WaitingKeys::any_like(std::int64_t number, Visit visit) const {
  std::size_t place = place_of(number);
  for (; places_[place] != kFree; place = (place + 1) & (places_.size() - 1)) {
    if (key_bits(places_[place]) == key_bits(number) && visit(places_[place])) return true;
  }
  return false;
}

bool WaitingKeys::may_wait(std::int64_t queue, const Key& key) const noexcept {
  return any_like(dedup_of(queue, key), [](std::int64_t) { return true; });
}

// The numbers behind one that is another key's may be the key's own.
std::optional<std::int64_t> WaitingKeys::row_of(Database& database, std::int64_t queue,
                                                const Key& key) const {
  std::optional<std::int64_t> row;
  any_like(dedup_of(queue, key), [&](std::int64_t number) {
    for (;; ++number) {
      Query query(database, "SELECT id, queue_id, dedup_key FROM outbox WHERE dedup = ?1");
      if (!query.bind(number).step()) return false;
      if (query.integer(1) != queue || query.key(2) != key) continue;
      row = query.integer(0);
      return true;
    }
  });
  return row;
}

std::int64_t WaitingKeys::take_number(std::int64_t queue, const Key& key, std::int64_t id,
                                      std::int64_t tries) {
  const std::int64_t bits = key_bits(dedup_of(queue, key) + tries);
  const std::int64_t number = part_of(id) << kNumberKeyBits | bits;
  add(number);
  return number;
}

}  // namespace postbox::sqlite

// Records with a Timing, as carts and orders make them.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "outbox_fixture.hpp"

namespace postbox::testing {

inline constexpr std::chrono::milliseconds kDelay = 60min;
inline constexpr std::chrono::milliseconds kQuiet = 5s;
inline constexpr std::uint32_t kFired = 1'000;  // what timer n becomes is event kFired + n

[[nodiscard]] inline Key slot_of(std::uint32_t cart) { return key_of(50'000 + cart); }
[[nodiscard]] inline Key user_of(std::uint32_t user) { return key_of(60'000 + user); }
// The caller's clock, in the ten minutes before the test starts: what lies ahead is cut.
inline constexpr std::chrono::milliseconds kBefore = 10min;
[[nodiscard]] inline WallTime at(std::chrono::milliseconds time) {
  return ManualClock().wall_now() - kBefore + time;
}

[[nodiscard]] inline EventRecord with(EventRecord record, Timing timing) {
  record.timing = std::make_shared<const Timing>(std::move(timing));
  return record;
}

// Update `number` of a cart: it starts the cart's timer.
[[nodiscard]] inline EventRecord update(std::uint32_t number, std::uint32_t cart,
                                        std::chrono::milliseconds as_of) {
  return with(event(number), {.slot = slot_of(cart),
                              .as_of = at(as_of),
                              .timer = Timer{kDelay, {user_of(1)}, event(kFired + number)}});
}

[[nodiscard]] inline EventRecord quiet_update(std::uint32_t number, std::uint32_t cart,
                                              std::chrono::milliseconds as_of) {
  return with(event(number), {.slot = slot_of(cart), .as_of = at(as_of), .debounce = kQuiet});
}

// What an order ends while its own family is off.
[[nodiscard]] inline EventRecord alone(const Key& key, std::chrono::milliseconds as_of) {
  return with({}, {.as_of = at(as_of), .cancels = {key}, .effects_only = true});
}

// An order: it ends what has the key and is not newer.
[[nodiscard]] inline EventRecord order(std::uint32_t number, const Key& key,
                                       std::chrono::milliseconds as_of) {
  return with(event(number, kOtherQueue), {.as_of = at(as_of), .cancels = {key}});
}

// An update of a profile; `fields` is the set of fields that it says something of.
[[nodiscard]] inline EventRecord in_order(std::uint32_t number, std::string payload,
                                          std::uint32_t fields, std::uint32_t profile = 1) {
  EventRecord record = with(event(number), {.slot = key_of(70'000 + fields), .in_order = true});
  record.profile_key = key_of(profile);
  record.payload = std::move(payload);
  return record;
}

}  // namespace postbox::testing

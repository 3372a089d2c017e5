// TrackableEvent is what a caller may hand to Tracker::track().
//
// Place:     fulfilled by the events of an integration.
// Threads:   plain values; an event's members are called on the caller's thread.
// Lifetime:  an event lives as long as the call; see EventName for what it shows of itself.
// Failure:   an event that breaks a rule rejects itself with violations.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postbox {

class EventBatch;     // event.hpp
struct EventContext;  // event.hpp

// A family of events: one feature flag, one priority, one queue of the outbox. The number is
// written to disk and must never change its meaning; the lowest is sent first. Two families may
// have one flag, such as what happens now and its history.
enum class QueueId : std::uint32_t {};

struct Family {
  QueueId queue{};
  std::string_view name;      // "purchase", as it stands in log lines
  std::string_view variable;  // the environment variable of its flag
  std::string_view about{};   // a sentence for the reference of settings
};

using Key = std::array<std::byte, 16>;

// One broken rule of the schema. `path` is the place in the caller's data ("items[2].quantity"),
// `rule` says what was found and what is accepted, without personal data.
struct Violation {
  std::string path;
  std::string rule;

  friend bool operator==(const Violation&, const Violation&) = default;
};

// The operator's names for a vendor's types of events: (the integration's name, the name to send).
using TypeNames = std::vector<std::pair<std::string, std::string>>;

// How an event is told from others in a log and to the host when it is refused.
struct EventName {
  std::string_view type;      // what the vendor calls it: "Placed Order"
  std::string_view log_name;  // what log lines call it: "purchase event"
  std::string_view key;       // the caller's own id of it: the order's
};

// A type that track() takes: it knows its family and profile, and writes itself into a batch.
// `size()` is how many events encode() adds when nothing is wrong: one, or one per line and more.
// encode() adds that many records, fewer where a warning of mend() says what was left out, or
// rejects with at least one violation; records with a Timing that stands alone may take the place
// of events, or come beside none.
//
// An event that knows its profile better by what the tracker is set to has a member
// profile_key(const EventBatch&) const, too, which a flag's percentage then goes by.
//
// An event that means something to others also while its own family is off, as an order does to the
// carts of its customer, has a member encode_disabled(EventBatch&) const, too. It adds records with
// a Timing that stands alone, or nothing.
template <class E>
concept TrackableEvent = requires(const E& event, EventBatch& batch) {
  { event.family() }
  noexcept->std::convertible_to<const Family&>;
  { event.profile_key() } -> std::convertible_to<Key>;
  { event.size() }
  noexcept->std::convertible_to<std::size_t>;
  event.encode(batch);
};

}  // namespace postbox

// EventBasics is what an event of the shop's own has beside the fields of its table; CustomEvent is
// one without a table.
//
// Place:     the base of a struct with a kMetric, a kFamily and a postbox::Schema, which
//            klaviyo::event() takes.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_basics(): every broken rule is a violation with its path.
#pragma once

#include <cstddef>
#include <klaviyo/families.hpp>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

struct EventBasics {
  Profile customer{};                              // required: one identifier
  std::optional<Money> value{};                    // what it is worth; counts as revenue
  std::optional<postbox::WallTime> occurred_at{};  // defaults to the time of track()

  // The key that makes a repeated report the same event. Defaults to <hash of what it says and
  // is worth>_<second of occurred_at>: say when it happened, or only repeats within one second are
  // recognised.
  std::string unique_id{};

  std::vector<Property> properties{};
};

// An event without a table. Its metric is `name`.
struct CustomEvent : EventBasics {
  static constexpr const postbox::Family& kFamily = kCustom;

  std::string name{};  // required
};

// Append every broken rule of what all such events have. `typed` is how many fields of its table
// the event has, `taken` says whether one has that name. `now` bounds occurred_at: after 1990, at
// most one year ahead.
void validate_basics(const EventBasics& event, std::size_t typed, bool (*taken)(std::string_view),
                     postbox::WallTime now, std::vector<postbox::Violation>& violations);

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::CustomEvent> {
  static constexpr auto fields = std::tuple<>();
};

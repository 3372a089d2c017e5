// Property is one value of the caller's own on an event, beside the typed fields.
//
// Place:     part of every event; written at the top level of `properties`, where Klaviyo can
//            segment by it, and of a Profile.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   a reserved name ($…, but for kExtra on an event), a name that a typed field has, a
// repeated name, a Decimal
//            with digits beyond 0 to 18, a time outside the years 1 to 9999, objects that are
//            nested too deep, and more than 400 properties on an event are violations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <postbox/schema.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace klaviyo {

struct Property;
using PropertyObject = std::vector<Property>;

// A number that is no amount of money, exact as one: {.scaled = 45, .digits = 1} is 4.5.
struct Decimal {
  static constexpr int kMaxDigits = 18;

  std::int64_t scaled = 0;
  int digits = 0;  // of `scaled`, behind the point: 0 to 18

  friend constexpr bool operator==(const Decimal&, const Decimal&) = default;
};

// A bool is always written: "= false" in a segment does not match an absent property. A time is
// written as 2026-11-22T10:00:00Z, a form that Klaviyo accepts for dates (its guide "Acceptable
// date and timestamp formats"). It segments by what is neither an object nor a list of them.
using PropertyValue =
    std::variant<bool, std::int64_t, Decimal, Money, postbox::WallTime, std::string,
                 std::vector<std::string>, PropertyObject, std::vector<PropertyObject>>;

struct Property {
  std::string name{};
  PropertyValue value{};
};

// The property of an event for what no segment asks for and a template may show, however large:
// Klaviyo keeps it out of its lists of properties (Events API overview).
inline constexpr std::string_view kExtra = "$extra";

// On an event, typed fields included.
inline constexpr std::size_t kMaxProperties = 400;

// The levels of objects, of which the properties themselves are the first. Lists do not count.
inline constexpr std::size_t kMaxLevels = 10;

// Check the names and values of a profile's `properties`, which stand at `path`. `taken` says
// whether a typed field has that name.
void validate_properties(const std::vector<Property>& properties, const postbox::Path& path,
                         bool (*taken)(std::string_view),
                         std::vector<postbox::Violation>& violations);

// The same for an event's, whose path is "properties", and their number. `typed` is how many typed
// fields the event has beside them.
void validate_properties(const std::vector<Property>& properties, std::size_t typed,
                         bool (*taken)(std::string_view),
                         std::vector<postbox::Violation>& violations);

// Append `,"name":value` for each; the comma before the first only when `first` is false.
void write_properties(const std::vector<Property>& properties, bool first, std::string& out);

// A guess at the length of `properties` as JSON.
[[nodiscard]] std::size_t json_size_hint(const std::vector<Property>& properties) noexcept;

}  // namespace klaviyo

template <>
struct postbox::JsonValue<klaviyo::Decimal> {
  static constexpr std::string_view kType = "number";
  static constexpr bool is_empty(const klaviyo::Decimal&) noexcept { return false; }
  static void write(const klaviyo::Decimal& number, std::string& out) {
    append_decimal(number.scaled, number.digits, out);
  }
  static void validate(const klaviyo::Decimal& number, const Path& path, const Rules& rules,
                       std::vector<Violation>& violations);
};

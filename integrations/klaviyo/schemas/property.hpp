// Property is one value of the caller's own on an event, beside the typed fields.
//
// Place:     part of Order, Subscription and Cart; written at the top level of `properties`, where
//            Klaviyo can segment by it.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   a reserved name ($…), a name that a typed field has, a repeated name, and more than
//            400 properties on an event are violations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace klaviyo {

// A bool is always written: "= false" in a segment does not match an absent property.
using PropertyValue =
    std::variant<bool, std::int64_t, Money, std::string, std::vector<std::string>>;

struct Property {
  std::string name{};
  PropertyValue value{};
};

// Typed fields included.
inline constexpr std::size_t kMaxProperties = 400;

// Check `properties`, whose path is "properties". `typed` is how many typed fields the event has
// beside them, `taken` says whether a typed field has that name.
void validate_properties(const std::vector<Property>& properties, std::size_t typed,
                         bool (*taken)(std::string_view),
                         std::vector<postbox::Violation>& violations);

// Append what Klaviyo would ignore: a zero counts as never set there, and so does an empty text or
// list, which is not sent. No reason to refuse an order.
void find_ignored(const std::vector<Property>& properties,
                  std::vector<postbox::Violation>& warnings);

// Append `,"name":value` for each; the comma before the first only when `first` is false.
void write_properties(const std::vector<Property>& properties, bool first, std::string& out);

// A guess at the length of `properties` as JSON.
[[nodiscard]] std::size_t json_size_hint(const std::vector<Property>& properties) noexcept;

}  // namespace klaviyo

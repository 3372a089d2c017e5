// Warnings about parts that Klaviyo would ignore without a word: a hint for whoever wrote the call,
// and no reason to refuse an event.
//
// Place:     the builders' encode(), for an event without violations.
// Threads:   pure functions. Without a warning they allocate nothing.
// Lifetime:  nothing is kept.
// Failure:   none; every warning has the path of the caller's own field.
//
// Klaviyo reads a zero, a null and an empty text among an event's properties as never set. What is
// empty is not even written, at any depth. A zero is, and is reported where Klaviyo acts on it: not
// inside objects, which nothing segments by, and not for profiles, which keep it. A typed field
// counts when it has a value: an optional without one was not set by anybody.
#pragma once

#include <concepts>
#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/property.hpp>
#include <postbox/schema.hpp>
#include <postbox/trackable.hpp>
#include <vector>

namespace klaviyo {

enum class Ignored : std::uint8_t { kNo, kZero, kEmpty };

template <class T>
[[nodiscard]] constexpr Ignored what_is_ignored(const T& value) {
  if constexpr (postbox::kIsOptional<T>) {
    if (!value) return Ignored::kNo;
    return postbox::is_empty(*value) ? Ignored::kEmpty : what_is_ignored(*value);
  } else if constexpr (std::signed_integral<T>) {
    return value == 0 ? Ignored::kZero : Ignored::kNo;
  } else if constexpr (std::same_as<T, Money>) {
    return value.minor == 0 ? Ignored::kZero : Ignored::kNo;
  } else if constexpr (std::same_as<T, Decimal>) {
    return value.scaled == 0 ? Ignored::kZero : Ignored::kNo;
  } else if constexpr (requires { value.number.scaled; }) {
    return what_is_ignored(value.number);
  } else {
    return Ignored::kNo;
  }
}

inline constexpr const char* kIsEmpty = "is empty and not sent: Klaviyo reads it as never set";

// Nothing for kNo.
void warn(Ignored what, const postbox::Path& path, std::vector<postbox::Violation>& warnings);

// The fields of a table.
template <postbox::HasSchema Fields>
void find_ignored(const Fields& fields, std::vector<postbox::Violation>& warnings) {
  const postbox::Path root;
  postbox::for_each_field<Fields>([&](const auto& field) {
    const auto& value = postbox::value_of(field, fields);
    warn(what_is_ignored(value), root.child(field.path), warnings);
  });
}

}  // namespace klaviyo

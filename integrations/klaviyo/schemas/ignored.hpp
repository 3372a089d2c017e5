// What Klaviyo would ignore without a word, as warnings: a hint for whoever wrote the call, and no
// reason to refuse an event.
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
#include <functional>
#include <klaviyo/schemas/item.hpp>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <postbox/event.hpp>
#include <postbox/schema.hpp>
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

// Nothing for kNo.
void warn(Ignored what, const postbox::Path& path, std::vector<postbox::Violation>& warnings);

// Own properties of an event, and of a profile, which stand at `path`.
void find_ignored(const std::vector<Property>& properties, const postbox::Path& path,
                  std::vector<postbox::Violation>& warnings);
void find_ignored_of_profile(const std::vector<Property>& properties, const postbox::Path& path,
                             std::vector<postbox::Violation>& warnings);

// The customer of an event, at `path`: known by a phone number alone, whose event an account
// without SMS drops; properties to remove, which an event does not.
void find_ignored_of_customer(const Profile& customer, const postbox::Path& path,
                              std::vector<postbox::Violation>& warnings);

// Categories beyond the 4,000 that the flat list can hold.
void find_ignored(const FlatLists& lists, std::vector<postbox::Violation>& warnings);

// The fields of a table.
template <postbox::HasSchema Fields>
void find_ignored(const Fields& fields, std::vector<postbox::Violation>& warnings) {
  const postbox::Path root;
  postbox::for_each_field<Fields>([&](const auto& field) {
    const auto& value = std::invoke(field.get, fields);
    warn(what_is_ignored(value), root.child(field.path), warnings);
  });
}

// What is written otherwise than it was given, because it is no UTF-8 or too long.
void find_mended(const std::vector<Property>& properties, const postbox::Path& path,
                 std::vector<postbox::Violation>& warnings);
void find_mended(const Profile& profile, const postbox::Path& path,
                 std::vector<postbox::Violation>& warnings);

// All of an event.
template <postbox::HasSchema Fields>
void warn_of_ignored(const Fields& fields, const std::vector<Property>& properties,
                     const Profile& customer, postbox::EventBatch& batch) {
  const postbox::Path root;
  find_ignored(fields, batch.warnings());
  find_ignored(properties, root.child("properties"), batch.warnings());
  std::vector<postbox::Violation> mended;
  postbox::find_mended(fields, root, mended);
  find_mended(properties, root.child("properties"), mended);
  find_mended(customer, root.child("customer"), mended);
  batch.mend(std::move(mended));
  const postbox::Path path = root.child("customer");
  find_ignored_of_customer(customer, path, batch.warnings());
}

}  // namespace klaviyo

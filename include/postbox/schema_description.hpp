// describe() turns a field table into data: what a JSON Schema or a page of documentation is
// printed from.
//
// Place:     used by tools; nothing on the way of an event calls it.
// Threads:   pure functions.
// Lifetime:  the views are those of the table, which is a constant.
// Failure:   none.
#pragma once

#include <concepts>
#include <cstdint>
#include <postbox/schema.hpp>
#include <string_view>
#include <type_traits>
#include <vector>

namespace postbox {

enum class JsonType : std::uint8_t { kBoolean, kInteger, kNumber, kString, kTime, kArray, kObject };

struct FieldDescription;
using ObjectDescription = std::vector<FieldDescription>;

struct ValueDescription {
  JsonType type = JsonType::kObject;
  bool may_be_absent = true;   // it has an empty state, which is not written
  std::string_view pattern{};  // of a text; empty: any
  ObjectDescription members;   // of an object, and of the objects in an array
  JsonType items{};            // of an array
};

struct FieldDescription {
  std::string_view name;  // as written
  std::string_view path;  // as the caller's struct calls it
  std::string_view description;
  Rules rules;
  ValueDescription value;

  // True when every accepted event has it.
  [[nodiscard]] bool is_always_written() const noexcept {
    return (rules.required && !rules.derived) || !value.may_be_absent;
  }
};

template <HasSchema T>
[[nodiscard]] ObjectDescription describe();

// A value of type T, wherever it stands.
template <class T>
[[nodiscard]] ValueDescription describe_value() {
  if constexpr (kIsOptional<T>) {
    ValueDescription value = describe_value<typename T::value_type>();
    value.may_be_absent = true;
    return value;
  } else if constexpr (HasJsonValue<T>) {
    ValueDescription value{
        .type = JsonValue<T>::kType == "number" ? JsonType::kNumber : JsonType::kString,
        .may_be_absent = JsonValue<T>::is_empty(T{}),
        .members = {}};
    if constexpr (requires { JsonValue<T>::kPattern; }) value.pattern = JsonValue<T>::kPattern;
    return value;
  } else if constexpr (std::same_as<T, bool>) {
    return {.type = JsonType::kBoolean, .may_be_absent = false, .members = {}};
  } else if constexpr (std::signed_integral<T>) {
    return {.type = JsonType::kInteger, .may_be_absent = false, .members = {}};
  } else if constexpr (std::same_as<T, WallTime>) {
    return {.type = JsonType::kTime, .may_be_absent = false, .members = {}};
  } else if constexpr (Text<T>) {
    return {.type = JsonType::kString, .members = {}};
  } else if constexpr (HasSchema<T>) {
    return {.type = JsonType::kObject, .members = describe<T>()};
  } else {
    static_assert(SizedRange<T>, "this type has neither a Schema nor a JsonValue");
    using Item = std::remove_cvref_t<decltype(*std::declval<const T&>().begin())>;
    const ValueDescription item = describe_value<Item>();
    return {.type = JsonType::kArray, .members = item.members, .items = item.type};
  }
}

// The table of T, in order.
template <HasSchema T>
[[nodiscard]] ObjectDescription describe() {
  ObjectDescription fields;
  for_each_field<T>([&]<class Accessor>(const Field<Accessor>& f) {
    using Value = std::remove_cvref_t<std::invoke_result_t<Accessor, const T&>>;
    fields.push_back({f.name, f.path, f.description, f.rules, describe_value<Value>()});
  });
  return fields;
}

}  // namespace postbox

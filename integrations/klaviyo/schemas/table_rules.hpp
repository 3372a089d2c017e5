// The rules for the field table of a shop's own event, for the compiler to check: what is wrong
// with a name is known before there is an event.
//
// Place:     Event<T> does not compile with a table that breaks one.
// Threads:   constants.
// Lifetime:  constants.
// Failure:   an error of the compiler.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <postbox/schema.hpp>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace klaviyo {

enum class TableFault : std::uint8_t {
  kNone,
  kNoName,     // a field without a name, or without the path by which violations name it
  kReserved,   // a name that begins with "$", which Klaviyo reserves
  kUnescaped,  // a name with a quote, a backslash or a control character: names are written as is
  kRepeated,   // two fields of one name: JSON would have both
};

// The first fault of T's table, or of a table of the objects in it.
template <postbox::HasSchema T>
[[nodiscard]] constexpr TableFault table_fault();

namespace detail {

constexpr TableFault name_fault(std::string_view name) {
  if (name.empty()) return TableFault::kNoName;
  if (name.front() == '$') return TableFault::kReserved;
  for (const char c : name) {
    const bool is_control = static_cast<unsigned char>(c) < 0x20;
    if (c == '"' || c == '\\' || is_control) return TableFault::kUnescaped;
  }
  return TableFault::kNone;
}

template <std::size_t Count>
constexpr TableFault names_fault(const std::array<std::string_view, Count>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const TableFault fault = name_fault(names[i]); fault != TableFault::kNone) return fault;
    for (std::size_t before = 0; before < i; ++before) {
      if (names[before] == names[i]) return TableFault::kRepeated;
    }
  }
  return TableFault::kNone;
}

// The type inside T, without the optional and the list around it.
template <class T>
struct Inside {
  using Type = T;
};
template <class T>
struct Inside<std::optional<T>> : Inside<T> {};
template <class T>
concept ListOfValues = postbox::SizedRange<T> && !postbox::Text<T> && !postbox::HasSchema<T> &&
                       !postbox::HasJsonValue<T>;
template <ListOfValues T>
struct Inside<T> : Inside<std::remove_cvref_t<decltype(*std::declval<const T&>().begin())>> {};

template <class T, class Accessor>
constexpr TableFault fault_inside(const postbox::Field<Accessor>& field) {
  if (field.path.empty()) return TableFault::kNoName;
  using Value = std::remove_cvref_t<std::invoke_result_t<const Accessor&, const T&>>;
  using Type = typename Inside<Value>::Type;
  if constexpr (postbox::HasSchema<Type> && !std::is_same_v<Type, T>) {
    return table_fault<Type>();
  } else {
    return TableFault::kNone;
  }
}

}  // namespace detail

template <postbox::HasSchema T>
constexpr TableFault table_fault() {
  return std::apply(
      [](const auto&... fields) {
        const std::array<std::string_view, sizeof...(fields)> names = {fields.name...};
        TableFault fault = detail::names_fault(names);
        ((fault = fault == TableFault::kNone ? detail::fault_inside<T>(fields) : fault), ...);
        return fault;
      },
      postbox::Schema<T>::fields);
}

}  // namespace klaviyo

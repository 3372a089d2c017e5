// Result<T> holds a value or the Error that took its place. Spelled like std::expected.
//
// Place:     returned by everything in Postbox that can fail.
// Threads:   a plain value.
// Lifetime:  owns what it holds.
// Failure:   value() and error() on the wrong alternative are programming errors: asserted in debug
//            builds, undefined otherwise. Nothing here throws.
#pragma once

// Not <utility>, here and in the other headers that a route includes: <optional> brings std::move
// and its like, and the rest would cost 140 lines.
#include <cassert>
#include <optional>
#include <type_traits>
#include <variant>

#include <postbox/error.hpp>

namespace postbox {

namespace detail {

constexpr void expect([[maybe_unused]] bool holds) noexcept { assert(holds); }

}  // namespace detail

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & noexcept { return *get(); }
  [[nodiscard]] const T& value() const& noexcept { return *get(); }
  [[nodiscard]] T&& value() && noexcept { return std::move(*get()); }
  [[nodiscard]] T& operator*() & noexcept { return *get(); }
  [[nodiscard]] const T& operator*() const& noexcept { return *get(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*get()); }
  [[nodiscard]] T* operator->() noexcept { return get(); }
  [[nodiscard]] const T* operator->() const noexcept { return get(); }

  [[nodiscard]] const Error& error() const& noexcept {
    detail::expect(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && noexcept {
    detail::expect(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

  template <class U>
  [[nodiscard]] T value_or(U&& fallback) const& {
    return has_value() ? *get() : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  T* get() noexcept {
    detail::expect(has_value());
    return std::get_if<0>(&state_);
  }
  const T* get() const noexcept {
    detail::expect(has_value());
    return std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const Error& error() const noexcept {
    detail::expect(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace postbox

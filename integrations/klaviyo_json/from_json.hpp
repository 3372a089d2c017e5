// from_json() reads what events are made of out of JSON: an Order, a Cart, a Subscription, a
// Profile, a ProductView, a CustomEvent, a ConsentWord. docs/json.md has the form of each.
//
// Place:     between a route's body and the event builders; links with postbox::klaviyo_json.
// Threads:   pure functions.
// Lifetime:  the result owns everything.
// Failure:   every value that cannot be used is a violation with its path, beside the value read as
//            far as it went. No value is ever quoted: it may be an address or a phone number.
//            Nothing is thrown but std::bad_alloc. The rules of the events themselves, such as
//            which members are required, are checked by Tracker::track(); json_paths.hpp has its
//            violations in terms of the JSON.
#pragma once

#include <concepts>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace klaviyo {

// A person's word about marketing. By default it subscribes nobody.
struct ConsentWord {
  ConsentUpdate::Verb action = ConsentUpdate::Verb::kUnsubscribe;
  Profile customer{};
  Consent consent{};
};

template <class T>
concept ReadableFromJson = std::same_as<T, Order> || std::same_as<T, Cart> ||
    std::same_as<T, Subscription> || std::same_as<T, Profile> || std::same_as<T, ProductView> ||
    std::same_as<T, CustomEvent> || std::same_as<T, ConsentWord>;

// A value and what is wrong with its JSON. True when nothing is.
template <class T>
struct [[nodiscard]] FromJson {
  T value{};  // as far as it could be read
  std::vector<postbox::Violation> violations{};
  std::vector<postbox::Violation> warnings{};  // what was mended before it could be read
  bool is_object = true;  // false: not a JSON object at all, and `value` says nothing

  explicit operator bool() const noexcept { return violations.empty(); }
  [[nodiscard]] T& operator*() & noexcept { return value; }
  [[nodiscard]] const T& operator*() const& noexcept { return value; }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(value); }
  [[nodiscard]] T* operator->() noexcept { return &value; }
  [[nodiscard]] const T* operator->() const noexcept { return &value; }
};

// Members that are not known are ignored; null is the same as absent.
//
//   const auto order = klaviyo::from_json<klaviyo::Order>(body);
//   if (!order) return answer(400, order.violations);
//   tracker->track(klaviyo::order_placed(*order));
template <ReadableFromJson T>
FromJson<T> from_json(const nlohmann::json& object);

// The same of a text. What most parsers refuse is mended, with a warning: bytes that are no UTF-8,
// and half a surrogate pair, see mended_json(). Verify a signature before, over the bytes as they
// were received.
template <ReadableFromJson T>
FromJson<T> parse_json(std::string_view text);

}  // namespace klaviyo

// read_order() and its siblings turn a request's body into what the shop knows: an Order, a Cart, a
// Subscription, a person's word about marketing.
//
// Place:     between a route and the event builders.
// Threads:   pure functions.
// Lifetime:  the result owns everything.
// Failure:   every value that cannot be used is a violation with its path, beside the value read as
//            far as it went; the rules of the events themselves are checked by Postbox.
#pragma once

#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/object_reader.hpp>
#include <string_view>

namespace checkout {

template <class T>
struct Body {
  T value;
  Violations violations;
  Violations warnings{};  // what was mended before it could be read
  bool readable = true;   // false: not a JSON object at all, so that nothing more can be said
};

// Amounts are in minor units: 12.50 EUR is 1250.
[[nodiscard]] Body<klaviyo::Order> read_order(std::string_view text);

// `user` is the app's id of the user; it identifies the customer when the body does not.
[[nodiscard]] Body<klaviyo::Cart> read_cart(std::string_view text, std::string_view user);

[[nodiscard]] Body<klaviyo::Subscription> read_subscription(std::string_view text);

struct ConsentWord {
  klaviyo::ConsentUpdate::Verb action = klaviyo::ConsentUpdate::Verb::kUnsubscribe;
  klaviyo::Profile customer;
  klaviyo::Consent consent;
};

// The body must say what is done: a mistyped member must not subscribe anybody.
[[nodiscard]] Body<ConsentWord> read_consent(std::string_view text);

// The place in the body that became the event's `path`: "price" was "amount", "properties[0]" was
// "properties.gift".
[[nodiscard]] std::string body_path(std::string_view path,
                                    const std::vector<klaviyo::Property>& properties);

// The violations of the body and, behind them, those of the event that was made of it. A value that
// could not be read is missing in the event, too: that is no second mistake, and is left out.
[[nodiscard]] Violations merge(const Violations& body, const Violations& event);

}  // namespace checkout

// in_json() says where in the JSON a violation of an event lies; merged() puts both lists together.
//
// Place:     behind from_json(), for a route that answers with everything that is wrong.
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   none: a path that the JSON does not have otherwise stays as it is.
#pragma once

#include <klaviyo_json/from_json.hpp>
#include <vector>

namespace klaviyo {

// The violations, or warnings, of an event with the paths of the JSON that its `value` was read
// from: "price" of a subscription was "amount", "properties[0].name" was "properties.gift". Each
// once.
//
//   const auto result = tracker->track(event);
//   answer(in_json(event.order(), result.violations()));
template <ReadableFromJson T>
[[nodiscard]] std::vector<postbox::Violation> in_json(const T& value,
                                                      std::vector<postbox::Violation> of_event);

// `of_json` and, behind them, those of `of_event` that do not follow from them: a value that could
// not be read is missing in the event, too, which is no second mistake. Both have the paths of the
// JSON.
[[nodiscard]] std::vector<postbox::Violation> merged(std::vector<postbox::Violation> of_json,
                                                     std::vector<postbox::Violation> of_event);

}  // namespace klaviyo

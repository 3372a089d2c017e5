// The names of the metrics, and what an account may call them instead.
//
// Place:     Config::metric_names; start() gives them to the engine, builders ask their EventBatch.
// Threads:   pure functions.
// Lifetime:  nothing is kept of the arguments.
// Failure:   kInvalidConfig names the metric and says what is accepted.
#pragma once

#include <postbox/event.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>

namespace klaviyo {

// Klaviyo takes metric names of less than 128 characters.
inline constexpr std::size_t kMaxMetricName = 127;

// Accepts "Cancelled Order=Canceled Order, Placed Order=Order". A name with a comma or an equals
// sign can be set in code only.
[[nodiscard]] postbox::Result<postbox::TypeNames> parse_metric_names(std::string_view text);

// The fault of a name for a metric: not 1 to kMaxMetricName characters, a control character,
// a quotation mark or a backslash. Empty when nothing is.
[[nodiscard]] std::string metric_name_problem(std::string_view name);

// Fails when a metric is none of this integration's or stands twice, when a new name has a
// metric_name_problem(), or when two metrics would have one name: a refund carries its order's
// unique_id, and would be taken for it.
[[nodiscard]] postbox::Result<void> check_metric_names(const postbox::TypeNames& names);

// Accepts "Ordered Product, Started Checkout": metrics of this library, by its own names.
[[nodiscard]] postbox::Result<std::vector<std::string>> parse_metrics(std::string_view text);

// Fails when a metric is none of this integration's.
[[nodiscard]] postbox::Result<void> check_metrics(const std::vector<std::string>& metrics);

}  // namespace klaviyo

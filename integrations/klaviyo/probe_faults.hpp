// The findings about what stands between a program and Klaviyo: no answer, or another's.
//
// Place:     inside the integration, used by probe().
// Threads:   pure functions.
// Lifetime:  values.
// Failure:   none.
#pragma once

#include <klaviyo/finding.hpp>
#include <postbox/http_client.hpp>
#include <string>
#include <string_view>

namespace klaviyo {

inline constexpr std::string_view kNetworkTopic = "network";

[[nodiscard]] std::string advice_on(postbox::TransportFault fault);
[[nodiscard]] Finding no_answer(const postbox::TransportFailure& failure);

// True for an answer that is not the API's: a page, a status that a proxy or a wrong address
// answers with, or a body of another form.
[[nodiscard]] bool is_foreign(const postbox::HttpResponse& response);
[[nodiscard]] Finding foreign(const postbox::HttpResponse& response);

[[nodiscard]] bool is_success(const postbox::HttpResponse& response);
[[nodiscard]] std::string status_of(const postbox::HttpResponse& response);  // "HTTP 503"

}  // namespace klaviyo

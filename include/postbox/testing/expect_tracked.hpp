// expect_tracked() says whether an event was delivered, and with what.
//
// Place:     at the end of a test that used a ScriptedHttpClient.
// Threads:   as ScriptedHttpClient.
// Lifetime:  the result owns its strings.
// Failure:   an Error that says how often the event was found instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <postbox/result.hpp>
#include <postbox/testing/scripted_http_client.hpp>

namespace postbox::testing {

// Returns the bodies of the requests that carried an event of the type, if there were exactly
// `times` of them:
//
//   EXPECT_TRUE(expect_tracked(*http, "Subscription Renewed", 1));
[[nodiscard]] inline Result<std::vector<std::string>> expect_tracked(
    const ScriptedHttpClient& client, std::string_view type, std::size_t times) {
  const std::string name = "\"name\":\"" + std::string(type) + "\"";
  std::vector<std::string> found;
  for (const HttpRequest& request : client.requests()) {
    if (request.body.find(name) != std::string::npos) found.push_back(request.body);
  }
  if (found.size() == times) return found;
  return Error{ErrorCode::kInvalidArgument, std::string(type) + " was sent " +
                                                std::to_string(found.size()) +
                                                " times instead of " + std::to_string(times)};
}

// The same for an event with a type of its own, by its kMetric:
//
//   EXPECT_TRUE(expect_tracked<klaviyo::PlacedOrder>(*http, 1));
template <class E>
[[nodiscard]] Result<std::vector<std::string>> expect_tracked(const ScriptedHttpClient& client,
                                                              std::size_t times) {
  return expect_tracked(client, E::kMetric, times);
}

}  // namespace postbox::testing

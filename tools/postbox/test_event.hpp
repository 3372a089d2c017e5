// A TestEvent is one event that is marked as a test, and how it is found again at Klaviyo.
#pragma once

#include <chrono>
#include <klaviyo/config.hpp>
#include <optional>
#include <postbox/http_client.hpp>
#include <postbox/time.hpp>
#include <postbox/track_result.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>

namespace postbox::cli {

// The property that marks it; its value is the event's id.
inline constexpr std::string_view kTestProperty = "PostboxTest";

struct TestEvent {
  std::string kind;  // "purchase", "subscription" or "cart"
  std::string email;
  WallTime time;
  std::string id;  // "postbox-test-1795800000000"
};

[[nodiscard]] TestEvent test_event(std::string kind, std::string email, WallTime now);

// The metric as the account calls it.
[[nodiscard]] std::string metric_of(const TestEvent& event, const klaviyo::Config& config);

// All of its amounts are zero: nobody's revenue grows by a test.
[[nodiscard]] TrackResult track(const TestEvent& event, Tracker& tracker,
                                std::chrono::milliseconds deadline);

// The settings of a server, with an outbox in memory and every family on: the server's own outbox
// may be in use, and its flags do not matter here.
[[nodiscard]] klaviyo::Config for_test(klaviyo::Config config);

// GET /api/events, for those of the event's second.
[[nodiscard]] HttpRequest lookup_request(const TestEvent& event, const klaviyo::Config& config);

// The id at Klaviyo of the event, if the answer has it.
[[nodiscard]] std::optional<std::string> find_in(const HttpResponse& response,
                                                 const TestEvent& event);

}  // namespace postbox::cli

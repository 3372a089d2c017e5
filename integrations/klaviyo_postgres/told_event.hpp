// draft_told() makes a draft of an event that was told as JSON.
//
// Place:     inside the integration: between a row of postbox_told and the inbox.
// Threads:   may be called from several threads at once.
// Lifetime:  the result owns everything.
// Failure:   in `problem`, which names members and rules and no value.
#pragma once

#include <postbox/event_draft.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klaviyo {

struct ToldEvent {
  std::string_view event;  // "order_placed"
  std::string_view body;   // JSON, see docs/json.md
  postbox::WallTime told_at;
};

struct ToldDraft {
  postbox::EventDraft draft{postbox::TrackResult(postbox::TrackStatus::kRejected)};
  std::string problem{};  // why there is none
};

// The time at which it was told stands in for a time that the body lacks.
[[nodiscard]] ToldDraft draft_told(postbox::Tracker& tracker, const ToldEvent& told);

// The names that it knows, each with what its body is: "order", "cart" …
[[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> told_events();

}  // namespace klaviyo

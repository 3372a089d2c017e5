// The bodies of Klaviyo's two event endpoints and of the one for profiles, put together from frozen
// payloads.
//
// Place:     used by Destination::request().
// Threads:   pure functions.
// Lifetime:  return texts of their own.
// Failure:   a damaged record becomes an empty event, which Klaviyo refuses with 400.
#pragma once

#include <optional>
#include <postbox/event.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

inline constexpr std::string_view kSinglePath = "/api/events";
inline constexpr std::string_view kBulkPath = "/api/event-bulk-create-jobs";
inline constexpr std::string_view kProfilePath = "/api/profile-import";

[[nodiscard]] std::string single_body(const postbox::EventRecord& event);

[[nodiscard]] std::string profile_body(const postbox::EventRecord& event);

// Events are grouped by profile, in order of first appearance. An event that stands twice (the same
// dedup key) is written once: Klaviyo refuses a whole request for a repeated unique_id.
[[nodiscard]] std::string bulk_body(std::span<const postbox::EventRecord* const> events);

// Takes "<prefix><number>" from the front of `pointer`; nothing when it is not there.
[[nodiscard]] std::optional<std::size_t> take_index(std::string_view prefix,
                                                    std::string_view& pointer);

// Returns which of `events` the pointers into bulk_body(events) name, in order and each once. A
// pointer at a profile names all of its events; one that leads nowhere names none.
[[nodiscard]] std::vector<std::size_t> find_culprits(
    std::span<const postbox::EventRecord* const> events, std::span<const std::string> pointers);

}  // namespace klaviyo

// The bodies of Klaviyo's two endpoints for consent: jobs for many profiles at once.
//
// Place:     written by the builders as a part of the frozen payload, put together by Destination.
// Threads:   pure functions.
// Lifetime:  return texts of their own.
// Failure:   a damaged record becomes a profile without a subscription, which Klaviyo refuses.
//
// The part that a job says of all its profiles (the list, the source, whether it is history) is the
// payload's second part: profiles of which it is the same, to the byte, share a job.
#pragma once

#include <klaviyo/schemas/consent.hpp>
#include <postbox/destination.hpp>
#include <postbox/event.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

inline constexpr std::string_view kSubscribePath = "/api/profile-subscription-bulk-create-jobs";
inline constexpr std::string_view kUnsubscribePath = "/api/profile-subscription-bulk-delete-jobs";

// Profiles in a job (the endpoints' documentation, as of 2026-07-15).
inline constexpr std::size_t kMaxSubscribed = 1'000;
inline constexpr std::size_t kMaxUnsubscribed = 100;

// The job without its profiles.
[[nodiscard]] std::string subscribe_job(const Consent& consent, bool is_history);
[[nodiscard]] std::string unsubscribe_job(const Consent& consent);

// Whether the job names a list.
[[nodiscard]] bool has_list(std::string_view job);

// Which records may share a job, and how many.
[[nodiscard]] postbox::Sharing sharing_of(const postbox::EventRecord& record);

// `events` share a job.
[[nodiscard]] std::string job_body(std::span<const postbox::EventRecord* const> events);

// Returns which of `events` the pointers into job_body(events) name, in order and each once.
[[nodiscard]] std::vector<std::size_t> find_job_culprits(
    std::span<const postbox::EventRecord* const> events, std::span<const std::string> pointers);

}  // namespace klaviyo

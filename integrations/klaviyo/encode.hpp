// The frozen payload: what the outbox stores and Destination sends, byte for byte.
//
// Place:     written by the builders on the caller's thread, read by Destination.
// Threads:   pure functions.
// Lifetime:  decode() returns views of the payload.
// Failure:   a damaged payload is kInvalidArgument, never undefined behaviour.
//
// The format, readable in any database browser; version 1 is on people's disks for ever:
//
//   1 <length of the profile> <log name>\t<subject>\n
//   {"type":"profile","attributes":{…}}                    the profile
//   "properties":{…},"metric":{…},"time":"…",…             the event's attributes but the profile
//
// (without line breaks between the last two). An update of a profile is the first two lines alone;
// a word of consent has its job in place of the attributes, see consent_job.hpp. Single and bulk
// requests are built from the two parts by concatenation; nothing is parsed or escaped again.
// `log_name` is what log lines call the event, `subject` whom they name: the cart's user id,
// otherwise nothing.
#pragma once

#include <cstddef>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/event.hpp>
#include <postbox/result.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// The name of a profile's update: among metrics, and in log lines.
inline constexpr std::string_view kProfileMetric = "Profile";
inline constexpr std::string_view kProfileLogName = "profile";

// The same of a word of consent.
inline constexpr std::string_view kSubscribeMetric = "Subscribe";
inline constexpr std::string_view kUnsubscribeMetric = "Unsubscribe";
inline constexpr std::string_view kConsentLogName = "consent";

// One event without its properties. Everything in it is a view that must outlive the call.
struct EventHead {
  postbox::QueueId queue{};
  postbox::Key profile_key{};
  std::string_view profile;   // as write_profile() wrote it
  std::string_view log_name;  // "purchase": no tab or line break
  std::string_view subject;   // as clean_subject() returned it
  std::string_view metric;
  std::string_view unique_id;
  postbox::WallTime time;
  std::optional<Money> value;
};

// Klaviyo takes 5 MB; the request around the event needs a little of it.
inline constexpr std::size_t kMaxEventBytes = 5'000'000 - 1'000;

// Klaviyo takes 255 characters.
inline constexpr std::size_t kMaxUniqueId = 255;

// The steps of encode_event() that do not depend on the type of the properties.
[[nodiscard]] postbox::EventRecord begin_record(const EventHead& head, std::size_t size_hint);
void finish_record(const EventHead& head, postbox::EventRecord& record);

// Write one event. `size_hint` is a guess at the properties' length, to allocate once.
template <class Properties>
[[nodiscard]] postbox::EventRecord encode_event(const EventHead& head, const Properties& properties,
                                                const std::vector<Property>& extra,
                                                std::size_t size_hint) {
  postbox::EventRecord record = begin_record(head, size_hint);
  const bool first = postbox::write_members(properties, true, record.payload);
  write_properties(extra, first, record.payload);
  finish_record(head, record);
  return record;
}

// Returns false and appends a violation when the payload is larger than Klaviyo takes.
bool check_size(const postbox::EventRecord& record, std::vector<postbox::Violation>& violations);

// Write one event and add it, unless it is larger than Klaviyo takes, which is a violation.
template <class Properties>
void add_event(const EventHead& head, const Properties& properties,
               const std::vector<Property>& extra, std::size_t size_hint,
               postbox::EventBatch& batch) {
  auto record = encode_event(head, properties, extra, size_hint);
  if (check_size(record, batch.violations())) batch.add(std::move(record));
}

// A record of the update of a profile alone, with no metric and no unique_id. Updates of a profile
// are sent in their order, and one that waits gives way to a newer one of the same fields; one of
// other fields keeps its place, since Klaviyo leaves alone what an update does not name. `unset`
// are the properties that it removes, which are in `profile`, too.
[[nodiscard]] postbox::EventRecord encode_profile(const postbox::Key& profile_key,
                                                  std::string_view profile,
                                                  const std::vector<std::string>& unset,
                                                  postbox::WallTime now);

// Consent is ordered by what its channel reaches, the address or the number, not by the profile:
// "stop" comes from a phone number alone, and must not overtake the "yes" that came with an
// address. So consent has keys of its own in the index of the order, and an update of the profile
// that is held, or whose scope is missing, does not hold it up. Each word has a slot of its own:
// yes and no on one list do not cancel out, for who is taken off a list without having been on it
// is unsubscribed from everything.
//
// A record of what somebody has agreed to: `job` as subscribe_job() or unsubscribe_job() wrote it.
// Consents of one key are sent in the order of the calls, all of them.
[[nodiscard]] postbox::EventRecord encode_consent(const postbox::Key& consent_key,
                                                  std::string_view profile, std::string_view job,
                                                  postbox::WallTime now);

struct Payload {
  // True for the update of a profile.
  [[nodiscard]] bool is_profile() const noexcept { return members.empty(); }

  // True for a word of consent.
  [[nodiscard]] bool is_consent() const noexcept;
  [[nodiscard]] bool is_unsubscribe() const noexcept;

  // True for what has a metric.
  [[nodiscard]] bool is_event() const noexcept { return !is_profile() && !is_consent(); }

  std::string_view log_name;
  std::string_view subject;
  std::string_view profile;
  std::string_view members;
};

[[nodiscard]] postbox::Result<Payload> decode(std::string_view payload);

// The payload of the same event with another profile and other members.
[[nodiscard]] std::string with_parts(const Payload& parts, std::string_view profile,
                                     std::string_view members);

// The name of the event's metric, such as "Placed Order"; "Profile" for the update of one,
// "Subscribe" and "Unsubscribe" for consent. Empty when the payload is damaged.
[[nodiscard]] std::string_view metric_of(std::string_view payload);

// The event's unique_id; empty for the update of a profile, and when the payload is damaged.
[[nodiscard]] std::string unique_id_of(std::string_view payload);

// Make the event a backfill: Klaviyo (from revision 2026-04-15 on) records it and starts no flow.
// It moves to its family's queue for backfills; unique_id and keys stay. Leaves a backfill and a
// damaged payload as they are.
void mark_backfill(postbox::EventRecord& record);

// The subject for a log line: control characters and anything like an e-mail address replaced, cut
// to 128 bytes.
[[nodiscard]] std::string clean_subject(std::string_view subject);

// The time of an event: after 1990, at most one year after `now`.
void check_time(postbox::WallTime time, postbox::WallTime now, const postbox::Path& path,
                std::vector<postbox::Violation>& violations);

// A unique_id of the caller's own: at most 255 characters.
void check_unique_id(std::string_view unique_id, const postbox::Path& path,
                     std::vector<postbox::Violation>& violations);

// Append the Unix second that `time` lies in, for a unique_id.
void append_second(postbox::WallTime time, std::string& out);

// 16 bytes of SHA-256 over (profile, metric, unique_id), each with its length before it. It is what
// Klaviyo itself tells events apart by.
[[nodiscard]] postbox::Key dedup_key(const postbox::Key& profile, std::string_view metric,
                                     std::string_view unique_id);

}  // namespace klaviyo

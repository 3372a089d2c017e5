#include <charconv>
#include <klaviyo/encode.hpp>
#include <klaviyo/request.hpp>
#include <memory_resource>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/assert.hpp"

namespace klaviyo {
namespace {

// Memory that is made for one request and thrown away together: a thousand events would take some
// thousand allocations.
using Arena = std::pmr::monotonic_buffer_resource;

// A profile and its events, as views of the records.
struct Group {
  std::string_view profile;
  std::pmr::vector<std::string_view> members;
  std::pmr::vector<std::size_t> places;  // of the members' events in the request
};

constexpr std::string_view kNoProfile = R"({"type":"profile","attributes":{}})";

std::string_view bytes_of(const postbox::Key& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// The groups last as long as `arena` and `events`.
std::pmr::vector<Group> group_by_profile(std::span<const postbox::EventRecord* const> events,
                                         Arena& arena) {
  std::pmr::vector<Group> groups(&arena);
  std::pmr::unordered_map<std::string_view, std::size_t> places(&arena);
  std::pmr::unordered_set<std::string_view> seen(&arena);
  groups.reserve(events.size());
  places.reserve(events.size());
  seen.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const postbox::EventRecord* event = events[i];
    if (!seen.insert(bytes_of(event->dedup_key)).second) continue;
    const auto payload = decode(event->payload);
    const std::string_view profile = payload ? payload->profile : kNoProfile;
    const auto [place, is_new] = places.emplace(profile, groups.size());
    if (is_new) {
      groups.push_back({profile, std::pmr::vector<std::string_view>(&arena),
                        std::pmr::vector<std::size_t>(&arena)});
    }
    POSTBOX_ASSERT(place->second < groups.size() && groups.size() <= events.size());
    groups[place->second].members.push_back(payload ? payload->members : std::string_view());
    groups[place->second].places.push_back(i);
  }
  return groups;
}

std::size_t size_of(std::span<const postbox::EventRecord* const> events) {
  constexpr std::size_t kAroundEach = 200;
  std::size_t size = kAroundEach;
  for (const postbox::EventRecord* event : events) size += event->payload.size() + kAroundEach;
  return size;
}

void append_group(const Group& group, std::string& body) {
  body += R"({"type":"event-bulk-create","attributes":{"profile":{"data":)";
  body += group.profile;
  body += R"(},"events":{"data":[)";
  std::string_view separator;
  for (const std::string_view members : group.members) {
    body += separator;
    separator = ",";
    body += R"({"type":"event","attributes":{)";
    body += members;
    body += "}}";
  }
  body += "]}}}";
}

}  // namespace

std::optional<std::size_t> take_index(std::string_view prefix, std::string_view& pointer) {
  if (!pointer.starts_with(prefix)) return std::nullopt;
  std::string_view rest = pointer.substr(prefix.size());
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (error != std::errc() || !(rest.empty() || rest.front() == '/')) return std::nullopt;
  pointer = rest;
  return index;
}

std::string single_body(const postbox::EventRecord& event) {
  const auto payload = decode(event.payload);
  std::string body;
  const postbox::EventRecord* const events[] = {&event};
  body.reserve(size_of(events));
  body += R"({"data":{"type":"event","attributes":{)";
  if (payload) {
    body += payload->members;
    body += R"(,"profile":{"data":)";
    body += payload->profile;
    body += '}';
  }
  body += "}}}";
  return body;
}

std::string profile_body(const postbox::EventRecord& event) {
  const auto payload = decode(event.payload);
  return R"({"data":)" + std::string(payload ? payload->profile : kNoProfile) + '}';
}

std::string bulk_body(std::span<const postbox::EventRecord* const> events) {
  std::string body;
  body.reserve(size_of(events));
  body += R"({"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":[)";
  std::string_view separator;
  Arena arena;
  for (const Group& group : group_by_profile(events, arena)) {
    body += separator;
    separator = ",";
    append_group(group, body);
  }
  body += "]}}}}";
  return body;
}

std::vector<std::size_t> find_culprits(std::span<const postbox::EventRecord* const> events,
                                       std::span<const std::string> pointers) {
  std::set<std::size_t> culprits;
  if (pointers.empty()) return {};
  Arena arena;
  const std::pmr::vector<Group> groups = group_by_profile(events, arena);
  for (std::string_view pointer : pointers) {
    const auto group = take_index("/data/attributes/events-bulk-create/data/", pointer);
    if (!group || *group >= groups.size()) continue;
    const auto& places = groups[*group].places;
    const auto event = take_index("/attributes/events/data/", pointer);
    if (event && *event < places.size()) {
      culprits.insert(places[*event]);
    } else if (pointer.starts_with("/attributes/profile")) {
      culprits.insert(places.begin(), places.end());
    }
  }
  return {culprits.begin(), culprits.end()};
}

}  // namespace klaviyo

// The rules for a profile, alone or inside an event.
//
// Place:     called by event_rules and by the simulator for profile-import, before any lock.
// Threads:   pure functions.
// Failure:   every broken rule is a Problem.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "field_reader.hpp"

namespace sim {

// In the order in which Klaviyo looks a profile up, after `id`.
inline constexpr std::array<const char*, 5> kIdentifiers = {"external_id", "email", "phone_number",
                                                            "anonymous_id", "_kx"};

struct ProfileInput {
  std::optional<std::string> id;
  Json attributes = Json::object();
  std::vector<std::string> unset{};  // own properties to remove
};

enum class ProfilePlace {
  kEvent,      // `meta` lies inside `attributes`
  kBulkEvent,  // `meta` lies beside `attributes`
  kImport,     // may name no anonymous_id
};

// `resource` is {"type": "profile", "id": …, "attributes": {…}}.
ProfileInput read_profile(const FieldReader& resource, ProfilePlace place,
                          std::vector<Problem>& problems);

bool is_email(const std::string& text);
bool is_phone_number(const std::string& text);

}  // namespace sim

// The rules for the jobs that subscribe and unsubscribe profiles.
//
// Place:     called by the simulator before any lock.
// Threads:   pure functions.
// Failure:   every broken rule is a Problem.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "json_api.hpp"
#include "profile_rules.hpp"

namespace sim {

enum class JobKind { kSubscribe, kUnsubscribe };

struct ChannelConsent {
  std::string channel;  // "email", "sms", "whatsapp"
  std::optional<std::chrono::sys_seconds> consented_at;
};

struct ConsentOfProfile {
  ProfileInput profile;  // its e-mail address and number
  std::vector<ChannelConsent> channels;
};

struct ConsentJob {
  std::vector<ConsentOfProfile> profiles;
  std::optional<std::string> list;
  std::optional<std::string> custom_source;
  bool is_history = false;
  std::vector<Problem> problems;
};

ConsentJob read_consent_job(JobKind kind, const Json& body,
                            std::chrono::system_clock::time_point now);

}  // namespace sim

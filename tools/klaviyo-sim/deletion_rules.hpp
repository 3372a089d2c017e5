// The rules for the job that deletes profiles, and the identifier that it goes by.
//
// Place:     called by the simulator before any lock.
// Threads:   pure functions.
// Failure:   every broken rule is a Problem.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "json_api.hpp"

namespace sim {

struct DeletionJob {
  std::string identifier;  // "id", "email" or "phone_number"
  std::string value;
  std::chrono::system_clock::time_point due{};  // when its profiles are gone
  std::vector<Problem> problems{};
};

// POST /api/data-privacy-deletion-jobs
DeletionJob read_deletion_job(const Json& body);

}  // namespace sim

// The checks that come before the body: key, scopes, revision, content type, size.
//
// Place:     called by the simulator for every request under /api.
// Threads:   pure functions.
// Failure:   a refused request is a Problem.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json_api.hpp"

namespace sim {

// `keys` are the accepted ones; when there are none, every key that begins with "pk_" is.
std::optional<Problem> check_key(const Request& request, const std::vector<std::string>& keys);
std::optional<Problem> check_scopes(const std::vector<std::string>& required,
                                    const std::vector<std::string>& granted);
std::optional<Problem> check_revision(const Request& request);
std::optional<Problem> check_body_headers(const Request& request);

}  // namespace sim

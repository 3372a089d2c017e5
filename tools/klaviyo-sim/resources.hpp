// JSON:API resource objects of the account's records.
//
// Place:     under account_reads.
// Threads:   pure functions.
// Failure:   none.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "account.hpp"

namespace sim {

Json event_resource(const Event& event, const std::string& profile_id, const std::string& metric_id,
                    const std::string& base);
Json profile_resource(const Profile& profile, const std::string& base,
                      bool with_subscriptions = false);
Json metric_resource(const Metric& metric, const std::string& base);
Json account_resource(const std::string& base);

// Removes the attributes that `fields[type]` does not name.
void keep_fields(Json& resource, const std::map<std::string, std::set<std::string>>& fields);

// "?page%5Bsize%5D=2&page%5Bcursor%5D=…": the request's query with this cursor in place of its
// own; without a cursor, the query as it is.
std::string query_with_cursor(const Request& request, const std::optional<std::string>& cursor);

}  // namespace sim

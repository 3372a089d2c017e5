// The documents of the GET endpoints, shaped as the OpenAPI description shapes them.
//
// Place:     called by the simulator under its mutex.
// Threads:   reads the account only.
// Failure:   none; the query was checked before.
#pragma once

#include <string>

#include "account.hpp"
#include "list_query.hpp"

namespace sim {

const ListRules& event_list_rules();
const ListRules& profile_list_rules();
const ListRules& metric_list_rules();

// `base` is "http://127.0.0.1:8080", the beginning of every link; `request` gives the rest.
Json list_events(const Account& account, const ListQuery& query, const Request& request,
                 const std::string& base);
Json list_profiles(const Account& account, const ListQuery& query, const Request& request,
                   const std::string& base);
Json list_metrics(const Account& account, const ListQuery& query, const Request& request,
                  const std::string& base);
Json list_accounts(const std::string& base);

// The answer of profile-import.
Json show_profile(const Account& account, std::size_t index, const std::string& base);

}  // namespace sim

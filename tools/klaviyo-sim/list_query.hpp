// ListQuery is what the query of a GET asks for: filter, sort, page, include, fields.
//
// Place:     parsed by the simulator, used by account_reads.
// Threads:   pure functions.
// Failure:   an unknown field, operator, sort or page is a Problem that names the parameter.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "json_api.hpp"
#include "paging.hpp"

namespace sim {

// One comparison; the comparisons of a filter are joined by "and".
struct Condition {
  std::string op;                   // "equals", "any", "greater-than", …
  std::string field;                // "metric_id"
  std::vector<std::string> values;  // one, or the list of "any"
  std::int64_t seconds = 0;         // the value of a comparison of times
};

// What one endpoint allows.
struct ListRules {
  std::size_t default_size = 20;
  std::size_t max_size = 100;
  std::set<std::string> sorts;  // without "-"
  std::set<std::string> includes;
  std::map<std::string, std::set<std::string>> filters;  // field → operators
  bool newest_first = false;                             // without `sort`
};

struct ListQuery {
  PageRequest page;
  std::vector<Condition> conditions;
  std::set<std::string> includes;
  std::map<std::string, std::set<std::string>> fields;  // type → members to show
  bool with_subscriptions = false;                      // of profiles
};

ListQuery read_list_query(const Request& request, const ListRules& rules,
                          std::vector<Problem>& problems);

// Reads `equals(metric_id,"X"),greater-than(datetime,2026-01-01T00:00:00Z)`, also with and(…).
// False when the text does not have that form.
bool parse_filter(std::string_view text, std::vector<Condition>& conditions);

// Whether `value` is one of the condition's values.
bool is_one_of(const Condition& condition, const std::string& value);

// Whether a time satisfies "greater-than", "less-or-equal" and the like.
bool compare_seconds(const Condition& condition, std::int64_t seconds);

}  // namespace sim

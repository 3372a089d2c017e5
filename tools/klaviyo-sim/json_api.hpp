// JSON in and out: a parser that keeps what the rules need to see, and JSON:API errors.
//
// Place:     used by every file that reads a body or writes an answer.
// Threads:   pure functions.
// Failure:   never throws; invalid UTF-8 in an answer becomes U+FFFD.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message.hpp"

namespace sim {

using Json = nlohmann::json;

inline constexpr const char* kJsonApiType = "application/vnd.api+json";

// One member of an answer's "errors".
struct Problem {
  int status = 400;
  std::string code = "invalid";
  std::string title = "Invalid input.";
  std::string detail;
  std::string pointer = "/data";  // into the body; used when `parameter` is empty
  std::string parameter;          // of the query
  Json meta = Json::object();
};

Problem invalid(std::string pointer, std::string detail);
Problem invalid_parameter(std::string parameter, std::string detail);

// The answer has the first problem's status. `problems` is not empty.
Response problem_response(const std::vector<Problem>& problems);

Response json_response(int status, const Json& document);

std::string to_text(const Json& value);

// `pointer` + "/" + `member`, with the escapes of RFC 6901.
std::string join_pointer(const std::string& pointer, std::string_view member);

struct ParsedJson {
  std::optional<Json> value;
  std::string error;  // why there is no value
};

// An integer beyond 64 bits becomes the greatest unsigned number, not a rounded double, so that
// the signed 64-bit rule can see it. Nesting deeper than any rule allows is an error here, because
// nlohmann's writer is recursive.
ParsedJson parse_json(std::string_view text);

}  // namespace sim

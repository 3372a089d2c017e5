#include "request_checks.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "rfc3339.hpp"
#include "size_limits.hpp"

namespace sim {
namespace {

Problem unauthorized(const char* code, const char* detail) {
  Problem problem;
  problem.status = 401;
  problem.code = code;
  problem.title = "Authentication failed.";
  problem.detail = detail;
  problem.pointer = "/data/";
  return problem;
}

Problem bad_revision(std::string detail) {
  Problem problem = invalid("/data", std::move(detail));
  problem.code = "invalid";
  problem.title = "Invalid revision header.";
  return problem;
}

std::string media_type_of(const std::string& header) {
  std::string type = header.substr(0, header.find(';'));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return type;
}

// Klaviyo documents one request type, yet its own clients (klaviyo-api-node 23.0.0) send plain JSON
// with a current revision. They must work here; anybody else's plain JSON is held to the document.
bool is_accepted_type(const Request& request) {
  const std::string type = media_type_of(request.header("content-type"));
  if (type == kJsonApiType) return true;
  return type == "application/json" && request.header("user-agent").rfind("klaviyo-api-", 0) == 0;
}

Problem unsupported(const std::string& detail) {
  Problem problem = invalid("/data", detail);
  problem.status = 415;
  problem.code = "unsupported_media_type";
  problem.title = "Unsupported media type.";
  return problem;
}

}  // namespace

std::optional<Problem> check_key(const Request& request, const std::vector<std::string>& keys) {
  constexpr std::string_view kScheme = "Klaviyo-API-Key ";
  const std::string header = request.header("authorization");
  if (header.rfind(kScheme, 0) != 0) {
    return unauthorized("not_authenticated",
                        "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.");
  }
  const std::string key = header.substr(kScheme.size());
  const bool is_private = key.rfind("pk_", 0) == 0 && key.size() > 3;
  const bool is_known = keys.empty() || std::find(keys.begin(), keys.end(), key) != keys.end();
  if (is_private && is_known) return std::nullopt;
  return unauthorized("authentication_failed", "Incorrect authentication credentials.");
}

std::optional<Problem> check_scopes(const std::vector<std::string>& required,
                                    const std::vector<std::string>& granted) {
  const bool is_allowed = std::all_of(required.begin(), required.end(), [&](const auto& scope) {
    return std::find(granted.begin(), granted.end(), scope) != granted.end();
  });
  if (is_allowed) return std::nullopt;
  Problem problem = invalid("/data/", "You do not have permission to perform this action.");
  problem.status = 403;
  problem.code = "permission_denied";
  problem.title = "Permission denied.";
  return problem;
}

std::optional<Problem> check_revision(const Request& request) {
  using namespace std::chrono;
  constexpr sys_days kOldest = year(2025) / January / 15;
  const std::string revision = request.header("revision");
  if (revision.empty()) return bad_revision("The revision header is required.");
  const auto date = parse_date(revision);
  if (!date) {
    return bad_revision("'" + revision + "' is not a revision (YYYY-MM-DD[.suffix]).");
  }
  // A retired revision is answered as the oldest that lives, unless the request opts out.
  if (*date >= kOldest || request.header("x-klaviyo-revision-fall-forward-opt-out") != "1") {
    return std::nullopt;
  }
  Problem gone = bad_revision("The revision '" + revision + "' is retired.");
  gone.status = 410;
  gone.code = "gone";
  return gone;
}

std::optional<Problem> check_body_headers(const Request& request) {
  const std::string type = request.header("content-type");
  if (!is_accepted_type(request)) {
    return unsupported("Unsupported media type '" + type + "' in request. Use '" + kJsonApiType +
                       "'.");
  }
  const std::string encoding = request.header("content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return unsupported("Unsupported Content-Encoding '" + encoding + "' in request.");
  }
  if (request.body.size() > kMaxBodyBytes) {
    Problem problem = invalid("/data", "The request body must not exceed 5 MB.");
    problem.status = 413;
    problem.code = "payload_too_large";
    problem.title = "Payload too large.";
    return problem;
  }
  return std::nullopt;
}

}  // namespace sim

// Request and Response are HTTP messages without a socket.
//
// Place:     between HttpServer (or a test) and Simulator.
// Threads:   plain values.
// Lifetime:  owned by whoever made them.
// Failure:   none.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sim {

struct Request {
  std::string method;
  std::string path;                               // without the query
  std::multimap<std::string, std::string> query;  // percent-decoded
  std::map<std::string, std::string> headers;     // names in lower case
  std::string body;

  // The header's value, or "" when it is missing. The name is in lower case.
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }

  // The parameter's first value, or "" when it is missing.
  std::string parameter(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  }
};

// What happens to the connection instead of, or during, the answer.
enum class Delivery {
  kWhole,      // the answer is sent
  kReset,      // nothing is sent, the peer sees a reset
  kTruncated,  // half of the body is sent, then the connection closes
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string content_type;
  std::string body;
  Delivery delivery = Delivery::kWhole;

  bool has_header(const std::string& name) const { return !header(name).empty(); }

  // The header's value, or "" when it is missing. The name is as it was set.
  std::string header(const std::string& name) const {
    const auto found = std::find_if(headers.begin(), headers.end(),
                                    [&](const auto& entry) { return entry.first == name; });
    return found == headers.end() ? std::string() : found->second;
  }
};

}  // namespace sim

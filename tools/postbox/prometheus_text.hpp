// Prometheus' text format, as a server's GET /metrics answers.
#pragma once

#include <map>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace postbox::cli {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;  // may be infinite, or not a number
};

// The samples in the order of the text; comments and times are left out. The error names the line
// that is none, and not what is in it.
[[nodiscard]] Result<std::vector<MetricSample>> parse_prometheus(std::string_view text);

}  // namespace postbox::cli

// The output of `postbox report`, for people and for machines.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <klaviyo/probe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "comparison.hpp"

namespace postbox::cli {

struct ReportResult {
  std::string from;
  std::string to;
  std::string utc_offset;
  bool has_file = false;
  std::optional<klaviyo::ProbedAccount> account{};
  std::uint64_t unreadable = 0;  // records of the file
  std::uint64_t outside = 0;     // … of other days
  std::size_t max = 0;           // differences of a kind that are named
  std::vector<DayLine> lines{};
  std::vector<Difference> differences{};

  [[nodiscard]] bool is_same() const noexcept { return differences.empty() && unreadable == 0; }
};

void write_for_people(const ReportResult& result, std::ostream& out);
void write_for_machines(const ReportResult& result, std::ostream& out);

}  // namespace postbox::cli

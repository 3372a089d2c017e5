#include <algorithm>
#include <postbox/config.hpp>
#include <postbox/environment.hpp>
#include <stripe/reports.hpp>

#include "base/not_accepted.hpp"

namespace stripe {
namespace {

std::string accepted() {
  std::string names;
  for (const auto name : kReportNames) names.append(name).append(", ");
  return names + "all or none";
}

}  // namespace

postbox::Result<Reports> Reports::parse(std::string_view text) {
  if (postbox::unwrapped(text) == "none") return Reports{};
  Reports reports{};
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    const auto name = postbox::unwrapped(text.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    if (name == "all") {
      for (std::size_t i = 0; i < kReportNames.size(); ++i) reports.add(static_cast<Report>(i));
      continue;
    }
    const auto* const found = std::ranges::find(kReportNames, name);
    if (found == kReportNames.end()) {
      return postbox::not_accepted(name, "one or several of " + accepted());
    }
    reports.add(static_cast<Report>(found - kReportNames.begin()));
  }
  return reports;
}

std::string Reports::to_string() const {
  std::string text;
  for (std::size_t i = 0; i < kReportNames.size(); ++i) {
    if (!has(static_cast<Report>(i))) continue;
    if (!text.empty()) text += ", ";
    text += kReportNames[i];
  }
  return text.empty() ? "none" : text;
}

}  // namespace stripe

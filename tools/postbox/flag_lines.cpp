#include "flag_lines.hpp"

#include <algorithm>
#include <klaviyo/catalogue.hpp>

namespace postbox::cli {
namespace {

// The library's own types; those of custom events and of a shop's families have names of their own.
std::vector<std::string> metrics_of(const Family& family, const klaviyo::Config& config) {
  if (family.queue == klaviyo::kProfile.queue) return {"updates of profiles"};
  if (family.queue == klaviyo::kConsent.queue) return {"consent and its end"};
  std::vector<std::string> metrics;
  for (const klaviyo::EventType& type : klaviyo::every_event_type()) {
    const bool is_disabled =
        std::ranges::find(config.disabled_metrics, type.metric) != config.disabled_metrics.end();
    if (type.family->queue != family.queue || is_disabled) continue;
    metrics.emplace_back(type.metric);
  }
  return metrics;
}

}  // namespace

std::vector<FlagLine> flags_of(const klaviyo::Config& config,
                               const std::vector<klaviyo::KeptSetting>& kept) {
  std::vector<FlagLine> lines;
  for (const Family& family : klaviyo::every_queue(config.own_families)) {
    if (static_cast<std::uint32_t>(family.queue) > klaviyo::kLastOwnQueue) break;  // its history
    const auto found = std::ranges::find(kept, family.variable, &klaviyo::KeptSetting::name);
    lines.push_back({.family = std::string(family.name),
                     .variable = config.variable_prefix + std::string(family.variable),
                     .here = config.flag(family).to_string(),
                     .server = found == kept.end() ? std::nullopt : std::optional(found->shown),
                     .metrics = metrics_of(family, config)});
  }
  return lines;
}

bool differs(const FlagLine& line) { return line.server && *line.server != line.here; }

std::string difference(const FlagLine& line) {
  return line.variable + " is " + line.here + " here, and the server has " +
         line.server.value_or("none") + ": reload the server";
}

Json json_of(const FlagLine& line) {
  Json json = {{"family", line.family},
               {"variable", line.variable},
               {"here", line.here},
               {"server", nullptr},
               {"metrics", line.metrics}};
  if (line.server) json["server"] = *line.server;
  return json;
}

}  // namespace postbox::cli

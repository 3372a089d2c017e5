#include <algorithm>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/metric_names.hpp>
#include <klaviyo/schemas/purchase.hpp>
#include <postbox/config.hpp>
#include <postbox/environment.hpp>
#include <postbox/schema.hpp>
#include <string>
#include <vector>

#include "base/not_accepted.hpp"
#include "base/setting_text.hpp"

namespace klaviyo {
namespace {

using postbox::Result;
using postbox::TypeNames;
using postbox::unwrapped;

postbox::Error refuse(std::string message) {
  return {postbox::ErrorCode::kInvalidConfig, std::move(message)};
}

std::vector<std::string_view> every_metric() {
  std::vector<std::string_view> names;
  for (const EventType& type : every_event_type()) names.push_back(type.metric);
  return names;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

}  // namespace

std::string metric_name_problem(std::string_view name) {
  const std::size_t characters = count_characters(name);
  if (characters == 0 || characters > kMaxMetricName) {
    return "must have 1 to " + std::to_string(kMaxMetricName) + " characters, found " +
           std::to_string(characters);
  }
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '"' && c != '\\';
  });
  if (plain && postbox::is_utf8(name)) return {};
  return "must be UTF-8 without control characters, quotation marks and backslashes";
}

Result<TypeNames> parse_metric_names(std::string_view text) {
  TypeNames names;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return postbox::not_accepted(unwrapped(pair),
                                   "a metric, '=' and the name to send, such as "
                                   "Cancelled Order=Canceled Order");
    }
    names.emplace_back(unwrapped(pair.substr(0, equals)), unwrapped(pair.substr(equals + 1)));
  }
  if (auto ok = check_metric_names(names); !ok) return ok.error();
  return names;
}

Result<std::vector<std::string>> parse_metrics(std::string_view text) {
  std::vector<std::string> metrics = postbox::split_list(text);
  if (auto ok = check_metrics(metrics); !ok) return ok.error();
  return metrics;
}

Result<void> check_metrics(const std::vector<std::string>& metrics) {
  const std::vector<std::string_view> known = every_metric();
  for (const std::string& metric : metrics) {
    if (std::ranges::find(known, metric) != known.end()) continue;
    std::string all;
    for (const std::string_view name : known) all.append(all.empty() ? "" : ", ").append(name);
    return refuse("'" + metric + "' is no metric of this library; expected some of: " + all);
  }
  return {};
}

Result<void> check_metric_names(const TypeNames& names) {
  const std::vector<std::string_view> metrics = every_metric();
  std::vector<std::string_view> sent = metrics;
  for (const auto& [metric, name] : names) {
    const auto found = std::find(metrics.begin(), metrics.end(), metric);
    if (found == metrics.end()) {
      return refuse("'" + metric + "' is no metric that is sent; expected one such as '" +
                    std::string(kOrderMetrics[1].name) + "'");
    }
    if (const std::string problem = metric_name_problem(name); !problem.empty()) {
      std::string text = "the name of '";
      return refuse(text.append(metric).append("' ").append(problem));
    }
    std::string_view& own = sent[static_cast<std::size_t>(found - metrics.begin())];
    if (own != *found) return refuse("'" + metric + "' stands twice");
    own = name;
  }
  std::sort(sent.begin(), sent.end());
  const auto twice = std::adjacent_find(sent.begin(), sent.end());
  if (twice == sent.end()) return {};
  return refuse("two metrics would be called '" + std::string(*twice) + "'");
}

}  // namespace klaviyo

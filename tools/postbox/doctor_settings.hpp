// The settings as a doctor sees them: each with its value and where it comes from, and what is
// wrong with it. What cannot be used has its default, so that the rest can be looked at all the
// same.
#pragma once

#include <klaviyo/config.hpp>
#include <klaviyo/probe.hpp>
#include <set>
#include <string>
#include <stripe/config.hpp>
#include <vector>

#include "account_options.hpp"

namespace postbox::cli {

using klaviyo::Finding;
using klaviyo::FindingLevel;

struct SettingRow {
  std::string name;
  std::string value;   // a secret is masked
  std::string origin;  // "environment", "default", or the file's name
};

struct SettingsDiagnosis {
  klaviyo::Config config;
  stripe::Config stripe;
  bool uses_stripe = false;  // a variable of it is set
  std::vector<SettingRow> rows;
  std::vector<Finding> findings;
  std::set<std::string> unusable;  // variables, without prefix

  [[nodiscard]] bool can_use(const std::string& variable) const {
    return !unusable.contains(variable);
  }
};

[[nodiscard]] SettingsDiagnosis diagnose_settings(const AccountOptions& options);

// How many letters must be added, left out or replaced to make `a` of `b`.
[[nodiscard]] std::size_t letters_apart(std::string_view a, std::string_view b);

}  // namespace postbox::cli

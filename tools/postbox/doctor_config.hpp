// Findings about settings that are valid one by one: a key without a flag, a link that leads
// nowhere. Pure functions.
#pragma once

#include <klaviyo/config.hpp>
#include <klaviyo/probe.hpp>
#include <optional>
#include <vector>

#include "doctor_settings.hpp"

namespace postbox::cli {

// The key and the flags: is anything sent at all?
[[nodiscard]] std::vector<Finding> switch_findings(const SettingsDiagnosis& settings);

// The links in mails about abandoned carts.
[[nodiscard]] std::vector<Finding> link_findings(const SettingsDiagnosis& settings);

// `account` is Klaviyo's, if it is known.
[[nodiscard]] std::vector<Finding> stripe_findings(
    const SettingsDiagnosis& settings, const std::optional<klaviyo::ProbedAccount>& account);

// True when the host of an http address is this machine.
[[nodiscard]] bool is_loopback(const std::string& url);

}  // namespace postbox::cli

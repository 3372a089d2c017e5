// Findings about where what Stripe's webhooks tell is kept, when the outbox is a database that
// servers share.
#pragma once

#include <klaviyo/config.hpp>
#include <klaviyo/probe.hpp>
#include <vector>

#include "doctor_settings.hpp"

namespace postbox::cli {

// None when the database cannot be reached: that is a finding of the outbox.
[[nodiscard]] std::vector<Finding> stripe_store_findings(const klaviyo::Config& config);

}  // namespace postbox::cli

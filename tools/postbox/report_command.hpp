// postbox report: what Klaviyo has recorded in a period, beside a shop's own file.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_report(CLI::App& app, Run& run);

}  // namespace postbox::cli

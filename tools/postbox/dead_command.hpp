// postbox dead: what Klaviyo refused for good.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_dead(CLI::App& app, Run& run);

}  // namespace postbox::cli

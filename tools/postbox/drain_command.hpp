// postbox drain: deliver what waits where no server runs.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_drain(CLI::App& app, Run& run);

}  // namespace postbox::cli

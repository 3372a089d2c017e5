// postbox status: where the events are, and whether something is wrong.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_status(CLI::App& app, Run& run);

}  // namespace postbox::cli

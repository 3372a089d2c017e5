// postbox events: where the events of an order are.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_events(CLI::App& app, Run& run);

}  // namespace postbox::cli

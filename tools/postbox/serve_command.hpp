// postbox serve: a page that shows where the events are, on the loopback.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_serve(CLI::App& app, Run& run);

}  // namespace postbox::cli

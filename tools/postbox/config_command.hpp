// postbox flags and postbox config: what is switched on, and what was changed when.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_flags(CLI::App& app, Run& run);
void add_config(CLI::App& app, Run& run);

}  // namespace postbox::cli

// postbox salvage: put back what a file that was moved aside holds.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_salvage(CLI::App& app, Run& run);

}  // namespace postbox::cli

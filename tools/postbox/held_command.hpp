// postbox held: what waits because its family is switched off.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_held(CLI::App& app, Run& run);

}  // namespace postbox::cli

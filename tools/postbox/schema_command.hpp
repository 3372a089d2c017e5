// postbox schema: what the events look like.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_schema(CLI::App& app, Run& run);

}  // namespace postbox::cli

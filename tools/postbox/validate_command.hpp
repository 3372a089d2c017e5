// postbox validate: the faults of orders, carts and their like in JSON, before they are sent.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_validate(CLI::App& app, Run& run);

}  // namespace postbox::cli

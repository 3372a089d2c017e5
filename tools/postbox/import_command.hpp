// import: the orders and subscriptions of a file as history.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_import(CLI::App& app, Run& run);

}  // namespace postbox::cli

// postbox forget: remove what waits of a person.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_forget(CLI::App& app, Run& run);

}  // namespace postbox::cli

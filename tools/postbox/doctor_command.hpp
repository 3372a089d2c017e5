// postbox doctor: the faults of a set-up, and what to do about them.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_doctor(CLI::App& app, Run& run);

}  // namespace postbox::cli

// postbox doctor: what is wrong with a set-up, and what to do about it.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_doctor(CLI::App& app, Run& run);

}  // namespace postbox::cli

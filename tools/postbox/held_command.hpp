// postbox held: what waits because its family is switched off.
#pragma once

#include "command.hpp"
#include "event_commands.hpp"

namespace postbox::cli {

void add_held(CLI::App& app, Run& run);

[[nodiscard]] EventKind held_events();

}  // namespace postbox::cli

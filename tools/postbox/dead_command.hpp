// postbox dead: what Klaviyo refused for good.
#pragma once

#include "command.hpp"
#include "event_commands.hpp"

namespace postbox::cli {

void add_dead(CLI::App& app, Run& run);

[[nodiscard]] EventKind dead_letters();

// Sends again those that are meant, the oldest first, `selection.max` at the most. Returns how
// many.
[[nodiscard]] Result<std::size_t> replay(Account& account, const Selection& selection,
                                         bool backfill);

}  // namespace postbox::cli

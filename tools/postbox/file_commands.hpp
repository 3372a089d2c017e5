// postbox fsck, reseal and backup: the outbox's file.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_fsck(CLI::App& app, Run& run);
void add_reseal(CLI::App& app, Run& run);
void add_backup(CLI::App& app, Run& run);

}  // namespace postbox::cli

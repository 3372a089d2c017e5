// postbox send-test: one marked event on the real way, until it can be read at Klaviyo.
#pragma once

#include "command.hpp"

namespace postbox::cli {

void add_send_test(CLI::App& app, Run& run);

}  // namespace postbox::cli

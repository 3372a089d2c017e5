// CommandKlaviyo is a shop with a simulated Klaviyo, for commands that send.
#pragma once

#include <string>

#include "command_shop.hpp"
#include "http_server.hpp"

namespace postbox::testing {

class CommandKlaviyo : public CommandShop {
 protected:
  CommandKlaviyo() {
    const int port = klaviyo_.start(
        {.port = 0,
         .simulator = {.keys = {}, .limits = false, .now = {}, .wait = {}, .deletion_time = 0ms}});
    EXPECT_NE(port, 0);
    set("KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(port));
  }

  sim::Server klaviyo_;
};

}  // namespace postbox::testing

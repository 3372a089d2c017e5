// The page docs/data-flow.md, written from the field tables that check and write the events, and
// from the defaults of the settings.
#pragma once

#include <string>

namespace postbox {

[[nodiscard]] std::string data_flow_page();

}  // namespace postbox

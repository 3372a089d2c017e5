// Takes a request's target apart.
//
// Place:     between Connection and Request.
// Threads:   pure.
// Lifetime:  nothing is kept.
// Failure:   an escape that is none stays as it is.
#pragma once

#include <string_view>

#include "message.hpp"

namespace sim {

// Sets the request's path and query, both percent-decoded.
void set_target(Request& request, std::string_view target);

}  // namespace sim

// The two times: one that never jumps, and the one on the wall.
//
// Place:     wherever a time is named; clock.hpp tells them.
// Threads:   plain values.
// Lifetime:  plain values.
// Failure:   none.
#pragma once

#include <chrono>

namespace postbox {

// Deadlines and waits use the steady time, which never jumps; what is written to disk or sent to
// the vendor uses the wall's, which survives a restart.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

}  // namespace postbox

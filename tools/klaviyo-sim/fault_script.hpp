// Reads the JSON form of scripted faults.
//
// Place:     under FaultQueue.
// Threads:   pure functions.
// Failure:   a bad script is a reason that names the member.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "faults.hpp"

namespace sim {

struct FaultScript {
  std::vector<Fault> faults;
  std::uint64_t seed = 1;
  std::string error;  // not empty: the script is bad
};

FaultScript read_fault_script(const Json& script);

}  // namespace sim

// The headers that most files include, compiled once. No file relies on it: each names what it
// uses.
//
// Place:     the test programs, and with POSTBOX_UNITY the libraries and the tools.
// Threads:   none.
// Lifetime:  of a build.
// Failure:   none.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

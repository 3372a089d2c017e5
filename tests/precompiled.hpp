// What most tests include, compiled once. No test relies on it: each names what it uses.
//
// Place:     packaging/develop.cmake, for the test programs only.
// Threads:   none.
// Lifetime:  of a build.
// Failure:   none.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

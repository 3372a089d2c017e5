// The headers that most tests include, compiled once. No test relies on it: each names what it
// uses.
//
// Place:     packaging/develop.cmake, for the test programs only.
// Threads:   none.
// Lifetime:  of a build.
// Failure:   none.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../packaging/precompiled.hpp"

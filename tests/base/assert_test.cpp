// POSTBOX_ASSERT in the project's own builds, and in a shop's.
#include <gtest/gtest.h>

#include "base/assert.hpp"

namespace postbox {
namespace {

TEST(Assert, WhatDoesNotHoldEndsTheProgramAndSaysWhere) {
#ifdef POSTBOX_ASSERTIONS
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int one = 1;
  POSTBOX_ASSERT(one == 1);
  EXPECT_DEATH(POSTBOX_ASSERT(one == 2), "assert_test.cpp:[0-9]+: does not hold: one == 2");
#else
  GTEST_SKIP() << "built without POSTBOX_ASSERTIONS";
#endif
}

TEST(Assert, ElsewhereItIsNotEvaluated) {
  int asked = 0;
  POSTBOX_ASSERT_UNEVALUATED(++asked > 0);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace postbox

#include "base/blanks.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using postbox::trimmed;

// One or two code points of the ranges, in UTF-8.
std::string utf8(char32_t c) {
  const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
}

// Unicode's Cc, Cf, Zs, Zl and Zp that people paste: controls, spaces, marks of direction, joiners.
TEST(Trimmed, TakesWhatIsUnseenOffBothEnds) {
  const char32_t ends[][2] = {{0x00, 0x20},     {0x7F, 0xA0},     {0xAD, 0xAD},
                              {0x61C, 0x61C},   {0x1680, 0x1680}, {0x180E, 0x180E},
                              {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F},
                              {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  for (const auto& [first, last] : ends) {
    for (char32_t c = first; c <= last; ++c) {
      const std::string unseen = utf8(c);
      EXPECT_EQ(trimmed(unseen + unseen + "a" + unseen + "b" + unseen + " "), "a" + unseen + "b")
          << std::hex << static_cast<unsigned>(c);
      EXPECT_EQ(trimmed(unseen), "") << std::hex << static_cast<unsigned>(c);
    }
  }
}

TEST(Trimmed, LeavesWhatIsSeen) {
  for (const char32_t c : {0x21U, 0x7EU, 0xA1U, 0xACU, 0xAEU, 0xE0U, 0x2010U, 0x2027U, 0x2030U,
                           0x205EU, 0x2070U, 0x3001U, 0xFFFDU}) {
    const std::string seen = utf8(c);
    EXPECT_EQ(trimmed(" " + seen + "x" + seen + " "), seen + "x" + seen)
        << std::hex << static_cast<unsigned>(c);
    EXPECT_EQ(trimmed(seen), seen) << std::hex << static_cast<unsigned>(c);
  }
  EXPECT_EQ(trimmed("\xF0\x9F\x8D\xB5 "), "\xF0\x9F\x8D\xB5");
  EXPECT_EQ(trimmed(""), "");
}

// Half a character is somebody's damage, and no blank.
TEST(Trimmed, LeavesBytesThatAreNoUtf8) {
  for (const std::string damage : {"\x85", "\xA0", "\xC2", "\xE2\x80", "\xBB\xBF", "\xE2\xA0"}) {
    EXPECT_EQ(trimmed(" " + damage + " "), damage);
    EXPECT_EQ(trimmed(damage + "x" + damage), damage + "x" + damage);
  }
}

}  // namespace

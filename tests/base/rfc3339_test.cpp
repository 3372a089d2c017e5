#include <gtest/gtest.h>

#include <chrono>
#include <postbox/rfc3339.hpp>

namespace postbox {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, AreReadToTheMillisecond) {
  using namespace std::chrono;
  const WallTime ten = sys_days(year(2026) / 11 / 22) + 10h;
  EXPECT_EQ(parse_rfc3339("2026-11-22T10:00:00Z"), ten);
  EXPECT_EQ(parse_rfc3339("2026-11-22T11:30:00.25+01:30"), ten + 250ms);
  EXPECT_EQ(parse_rfc3339("2026-11-22t05:00:00.123456789-05:00"), ten + 123ms);
}

TEST(Rfc3339, AnythingElseIsRefused) {
  for (const auto* bad :
       {"", "2026-11-22", "2026-11-22T10:00:00", "2026-02-30T10:00:00Z", "2026-11-22T24:00:00Z",
        "2026-11-22T10:60:00Z", "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00Zx",
        "2026-11-22T10:00:00+25:00", " 2026-11-22T10:00:00Z", "1764000000"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

}  // namespace
}  // namespace postbox

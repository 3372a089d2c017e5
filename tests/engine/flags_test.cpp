#include <postbox/flag_set.hpp>
#include <postbox/flags.hpp>

#include <gtest/gtest.h>

namespace postbox {
namespace {

Key key_with_prefix(std::uint32_t number) {
  Key key{};
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<std::byte>(number >> (24U - 8U * i));
  return key;
}

TEST(FlagText, TakesWordsAndPercentages) {
  for (const std::string_view on : {"true", "TRUE", "1", "on", "Yes", "100%"}) {
    EXPECT_TRUE(Flag::parse(on).value().is_on()) << on;
  }
  for (const std::string_view off : {"false", "False", "0", "off", "no", "0%"}) {
    EXPECT_TRUE(Flag::parse(off).value().is_off()) << off;
  }
  EXPECT_EQ(Flag::parse("25%").value().percent(), 25);
  EXPECT_EQ(Flag::parse("25%").value().to_string(), "25%");
  for (const std::string_view bad : {"", "maybe", "101%", "-1%", "2.5%", "%", "25 %", "300%"}) {
    const auto flag = Flag::parse(bad);
    ASSERT_FALSE(flag) << bad;
    EXPECT_NE(flag.error().message.find("true, false or 0% to 100%"), std::string::npos);
  }
}

TEST(FlagPercentage, TakesThatShareOfProfilesAndKeepsThemWhenItGrows) {
  const Flag some = Flag::parse("30%").value();
  const Flag more = Flag::parse("60%").value();
  int included = 0;
  for (std::uint32_t n = 0; n < 10'000; ++n) {
    const Key key = key_with_prefix(n * 2'654'435'761U);
    included += some.includes(key) ? 1 : 0;
    EXPECT_TRUE(!some.includes(key) || more.includes(key));
    EXPECT_TRUE(Flag::on().includes(key));
    EXPECT_FALSE(Flag::off().includes(key));
  }
  EXPECT_NEAR(included, 3'000, 200);
}

TEST(FlagSets, AQueueThatWasNeverSetIsOff) {
  FlagSet flags;
  EXPECT_TRUE(flags.get(QueueId{1}).is_off());
  flags.set(QueueId{1}, Flag::on());
  EXPECT_TRUE(flags.get(QueueId{1}).is_on());
  flags.set(QueueId{FlagSet::kMaxQueues}, Flag::on());
  EXPECT_TRUE(flags.get(QueueId{FlagSet::kMaxQueues}).is_off());
}

}  // namespace
}  // namespace postbox

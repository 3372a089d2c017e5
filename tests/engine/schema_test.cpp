#include <gtest/gtest.h>

#include <limits>
#include <postbox/schema.hpp>

namespace {

struct Inner {
  std::string text;
  std::int64_t number = 1;
};

struct Outer {
  std::string name = "n";
  std::optional<std::int64_t> maybe;
  bool flag = false;
  std::vector<Inner> inners;
  std::optional<postbox::WallTime> time;
  std::vector<std::string> list;
};

}  // namespace

template <>
struct postbox::Schema<Inner> {
  static constexpr auto fields = std::make_tuple(
      field("Text", "text", &Inner::text, {.required = true, .max_length = 3}, "A text."),
      field("Number", "number", [](const Inner& i) { return i.number; }, {.minimum = 1}));
};

template <>
struct postbox::Schema<Outer> {
  static constexpr auto fields = std::make_tuple(
      field("Name", "name", &Outer::name), field("Maybe", "maybe", &Outer::maybe),
      field("Flag", "flag", &Outer::flag), field("Inners", "inners", &Outer::inners),
      field("Time", "time", &Outer::time), field("List", "list", &Outer::list));
};

namespace {

using postbox::Path;
using postbox::Violation;

std::string json_of(const Outer& outer) {
  std::string out;
  postbox::write_json(outer, out);
  return out;
}

std::string json_text(std::string_view text) {
  std::string out;
  postbox::append_string(text, out);
  return out;
}

std::string decimal(std::int64_t scaled, int digits) {
  std::string out;
  postbox::append_decimal(scaled, digits, out);
  return out;
}

std::vector<Violation> check(const Outer& outer) {
  std::vector<Violation> violations;
  postbox::validate(outer, Path(), violations);
  return violations;
}

TEST(SchemaWrite, UnsetAndEmptyAreLeftOutButBoolsStay) {
  Outer outer;
  outer.name = "";
  EXPECT_EQ(json_of(outer), R"({"Flag":false})");
}

TEST(SchemaWrite, EveryKindOfValueIsWritten) {
  Outer outer;
  outer.maybe = -7;
  outer.flag = true;
  outer.inners = {{"a", 1}, {"b", 2}};
  outer.time = postbox::WallTime(std::chrono::milliseconds(1'999));
  outer.list = {"x", "y"};
  EXPECT_EQ(json_of(outer),
            R"({"Name":"n","Maybe":-7,"Flag":true,"Inners":[{"Text":"a","Number":1},)"
            R"({"Text":"b","Number":2}],"Time":"1970-01-01T00:00:01Z","List":["x","y"]})");
}

TEST(SchemaWrite, TextsAreEscapedWhereverTheCharacterStands) {
  EXPECT_EQ(json_text(""), R"("")");
  EXPECT_EQ(json_text("plain text of more than eight bytes"),
            "\"plain text of more than eight bytes\"");
  EXPECT_EQ(json_text("a\"b\\c\nd\te\rf"), R"("a\"b\\c\nd\te\rf")");
  EXPECT_EQ(json_text(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(json_text("Thé 茶 🍵"), "\"Thé 茶 🍵\"");
  for (std::size_t at = 0; at < 20; ++at) {
    std::string text(20, 'x');
    text[at] = '"';
    std::string expected = "\"" + text + "\"";
    expected.insert(at + 1, "\\");
    EXPECT_EQ(json_text(text), expected) << at;
  }
}

TEST(SchemaWrite, DecimalsHaveExactlyTheirDigits) {
  EXPECT_EQ(decimal(0, 2), "0.00");
  EXPECT_EQ(decimal(5, 2), "0.05");
  EXPECT_EQ(decimal(-5, 2), "-0.05");
  EXPECT_EQ(decimal(1250, 0), "1250");
  EXPECT_EQ(decimal(1250, 3), "1.250");
  EXPECT_EQ(decimal(std::numeric_limits<std::int64_t>::min(), 4), "-922337203685477.5808");
  EXPECT_EQ(decimal(std::numeric_limits<std::int64_t>::max(), 0), "9223372036854775807");
}

TEST(SchemaWrite, TimesBeforeTheEpochRoundDown) {
  std::string out;
  postbox::append_time(postbox::WallTime(std::chrono::milliseconds(-1)), out);
  EXPECT_EQ(out, "1969-12-31T23:59:59Z");
}

TEST(Utf8, WellFormedTextIsAccepted) {
  for (const char* text : {"", "a", "é", "茶", "🍵", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf",
                           "\xed\x9f\xbf", "twelve bytes and é"}) {
    EXPECT_TRUE(postbox::is_utf8(text)) << text;
  }
}

TEST(Utf8, OverlongSurrogatesTruncatedAndBeyondAreRefused) {
  for (const char* text : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80",
                           "\xe2\x82", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                           "\xff", "eight by\xe9", "\xf0\x9f\x8d", "\xc3("}) {
    EXPECT_FALSE(postbox::is_utf8(text));
  }
}

TEST(SchemaValidate, EveryBrokenRuleIsReportedWithItsPath) {
  Outer outer;
  outer.name = "fine";
  outer.inners = {{"a", 1}, {"", 0}, {"four", 1}};
  const auto violations = check(outer);
  ASSERT_EQ(violations.size(), 3U);
  EXPECT_EQ(violations[0], (Violation{"inners[1].text", "is required"}));
  EXPECT_EQ(violations[1], (Violation{"inners[1].number", "must be at least 1, found 0"}));
  EXPECT_EQ(violations[2],
            (Violation{"inners[2].text", "must have at most 3 characters, found 4"}));
}

TEST(SchemaMended, TextsThatAreNotWrittenAsTheyAreHaveAWarningEach) {
  Outer outer;
  outer.name = "\xff";
  outer.list = {"fine", "\xc0\xaf", std::string(100'000, 'x')};
  EXPECT_TRUE(check(outer).empty());
  std::vector<Violation> warnings;
  postbox::find_mended(outer, postbox::Path(), warnings);
  ASSERT_EQ(warnings.size(), 3U);
  EXPECT_EQ(warnings[0],
            (Violation{"name", "is not valid UTF-8: what is broken was replaced by U+FFFD"}));
  EXPECT_EQ(warnings[1].path, "list[1]");
  EXPECT_EQ(warnings[2],
            (Violation{"list[2]", "is longer than 99999 bytes: the rest was cut off"}));
}

TEST(SchemaMended, WhatIsBrokenIsWrittenAsReplacementCharacters) {
  const auto written = [](std::string_view text) {
    std::string json;
    postbox::append_string(text, json);
    return json;
  };
  EXPECT_EQ(written("Tea \xed\xa0\xbc!"), "\"Tea \ufffd!\"");
  EXPECT_EQ(written("\xed\xbd\xb5\xed\xa0\xbc"), "\"\ufffd\ufffd\"");
  EXPECT_EQ(written("\xed\xa0\xbc\xed\xbd\xb5"), "\"\U0001f375\"");
  EXPECT_EQ(written("a\xf0\x9f\x8d\"b\n"), "\"a\ufffd\\\"b\\n\"");
  EXPECT_EQ(written("12345678\xe9"), "\"12345678\ufffd\"");
  EXPECT_EQ(written(std::string(100'000, '\xff')).size(), 2 + 99'999U);
  EXPECT_EQ(written(std::string(100'000, 'x')).size(), 2 + 99'999U);
  std::string at_the_limit(99'998, 'x');
  at_the_limit.append("\u00e9");
  EXPECT_EQ(written(at_the_limit).size(), 2 + 99'998U);
}

TEST(SchemaValidate, LengthIsCountedInCharacters) {
  Outer outer;
  outer.inners = {{"茶茶茶", 1}};
  EXPECT_TRUE(check(outer).empty());
}

TEST(SchemaValidate, ATimeLiesInTheYearsThatHaveFourDigits) {
  using namespace std::chrono;
  Outer outer;
  for (const int begins : {1, 10'000}) {
    const postbox::WallTime inside(sys_days(year(begins) / 1 / 1) -
                                   milliseconds(begins > 1 ? 1 : 0));
    outer.time = inside;
    EXPECT_TRUE(check(outer).empty());
    outer.time = inside + milliseconds(begins > 1 ? 1 : -1);
    ASSERT_EQ(check(outer).size(), 1U);
    EXPECT_EQ(check(outer)[0].path, "time");
  }
  outer.time = postbox::WallTime::max();
  EXPECT_EQ(
      check(outer),
      (std::vector<Violation>{
          {"time", "must be in the years 1 to 9999, found 9223372036854775807 ms after 1970"}}));
}

TEST(SchemaValidate, AnArrayOf4000IsTheLongest) {
  Outer outer;
  outer.list.assign(4'000, "x");
  EXPECT_TRUE(check(outer).empty());
  outer.list.emplace_back("x");
  EXPECT_EQ(check(outer),
            (std::vector<Violation>{{"list", "must have at most 4000 items, found 4001"}}));
}

}  // namespace

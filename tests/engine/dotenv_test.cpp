// Edges of the syntax; config_test.cpp has what becomes of it as the environment.
#include "dotenv.hpp"

#include <gmock/gmock.h>

namespace postbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Dotenv parsed(std::string_view text) { return parse_dotenv(text).value(); }

TEST(Dotenv, NothingIsNothing) {
  for (const char* text : {"", "\n", "\r\n\r\n", " \t", "#", "# A=1", "\xEF\xBB\xBF", "\n\n\n"}) {
    const Dotenv result = parsed(text);
    EXPECT_THAT(result.values, IsEmpty()) << text;
    EXPECT_THAT(result.skipped, IsEmpty()) << text;
  }
}

TEST(Dotenv, AValueIsTakenAsItStands) {
  const Dotenv result = parsed(
      "EMPTY=\nCOMMENT= # c\nHASH=#c\nQUOTED='' # c\nEQUALS=a=b=\nINSIDE=it's a \"b\"\n"
      "TAB=a\t# c\nbackslash=a\\nb\n_9=x\nMIXED=\"it's `b`\"");
  EXPECT_THAT(result.values,
              UnorderedElementsAre(
                  Pair("EMPTY", ""), Pair("COMMENT", ""), Pair("HASH", ""), Pair("QUOTED", ""),
                  Pair("EQUALS", "a=b="), Pair("INSIDE", "it's a \"b\""), Pair("TAB", "a"),
                  Pair("backslash", "a\\nb"), Pair("_9", "x"), Pair("MIXED", "it's `b`")));
  EXPECT_THAT(result.troubles, IsEmpty());
}

TEST(Dotenv, EscapesMeanSomethingInDoubleQuotesAlone) {
  EXPECT_EQ(parsed(R"(A="\n\r\t\"\\\$\x\")").values.size(), 0U) << "the last quote is escaped";
  EXPECT_EQ(parsed(R"(A="\n\r\t\"\\\$\x")").values.at("A"), "\n\r\t\"\\$\\x");
  EXPECT_EQ(parsed(R"(A="\\n")").values.at("A"), "\\n") << "an escaped backslash and a letter";
  EXPECT_EQ(parsed(R"(A="x\\")").values.at("A"), "x\\");
  EXPECT_EQ(parsed(R"(A='\')").values.at("A"), "\\");
  EXPECT_EQ(parsed(R"(A=`\n`)").values.at("A"), "\\n");
}

TEST(Dotenv, NamesAreThoseOfVariables) {
  const Dotenv result = parsed("=1\n9A=1\na-b=1\na.b=1\nÄ=1\nA B=1\n'A'=1\nexport =1\nexport=1");
  EXPECT_THAT(result.values, ElementsAre(Pair("export", "1")));
  EXPECT_THAT(result.skipped, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(result.troubles, IsEmpty()) << "no variable is meant";
}

TEST(Dotenv, LinesAreCountedWhateverEndsThem) {
  EXPECT_THAT(parsed("A=1\nx\r\nx\rx\n\nx").skipped, ElementsAre(2, 3, 4, 6));
  EXPECT_THAT(parsed("A='1\r\n2\r3\n4'\nx").skipped, ElementsAre(5)) << "also inside of quotes";
  EXPECT_THAT(parsed("A='1\n2' junk\nx").skipped, ElementsAre(1, 2, 3))
      << "what is no value is read line by line";
}

TEST(Dotenv, TheLastLineOfANameCounts) {
  const Dotenv twice = parsed("A=1\nA=1\nA=2\nA='2'");
  EXPECT_EQ(twice.values.at("A"), "2");
  EXPECT_THAT(twice.repeated, ElementsAre(3)) << "the same again is no news";
  const Dotenv good_last = parsed("A: 1\nA='x\nA=2");
  EXPECT_EQ(good_last.values.at("A"), "2");
  EXPECT_THAT(good_last.troubles, IsEmpty());
  EXPECT_THAT(parsed("A=1\nA: 2").troubles, ElementsAre(Pair("A", HasSubstr("line 2: "))));
}

TEST(Dotenv, AnExpansionThatSomebodyHopesForIsTrouble) {
  for (const char* line : {"A=${B}", "A=x${", "A=\"x ${B}\"", "A=\\\\${B}"}) {
    EXPECT_THAT(parsed(line).troubles, ElementsAre(Pair("A", HasSubstr("${…}")))) << line;
  }
  for (const char* line : {"A='${B}'", "A=`${B}`", R"(A="\${B}")", "A=$B", "A={$}", "A=1 # ${B}"}) {
    EXPECT_THAT(parsed(line).troubles, IsEmpty()) << line;
  }
}

TEST(Dotenv, TroubleNamesTheLineAndNeverTheValue) {
  using namespace std::string_view_literals;
  const Dotenv result =
      parsed("A='hidden'hidden\nB=\"hidden\nC hidden\nD=hid\0den\nE: hidden\nF=ok"sv);
  EXPECT_THAT(result.values, ElementsAre(Pair("F", "ok")));
  EXPECT_EQ(result.troubles.size(), 5U);
  int line = 0;
  for (const auto& [name, trouble] : result.troubles) {
    EXPECT_THAT(trouble, HasSubstr("line " + std::to_string(++line) + ": ")) << name;
    EXPECT_THAT(trouble, Not(HasSubstr("hid"))) << name;
  }
}

TEST(Dotenv, OneZeroDoesNotMakeUtf16) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(parse_dotenv("A\0"sv));
  EXPECT_TRUE(parse_dotenv("A=\0\0\0"sv));
  EXPECT_FALSE(parse_dotenv("\xFF\xFE"));
  EXPECT_FALSE(parse_dotenv("#\0 \0"sv));
}

}  // namespace
}  // namespace postbox

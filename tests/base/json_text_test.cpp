#include <gtest/gtest.h>

#include <postbox/json_text.hpp>

namespace {

using postbox::mended_json;

TEST(MendedJson, HalvesOfPairsAreReplacedAndNothingElse) {
  for (const char* good :
       {R"({"a":"\ud83c\udf75"})", R"({"a":"\\ud83c"})", R"({"a":"\u0000 \uffff"})",
        R"({"a":"\u00e9","b":[1,{}]})", "", "no JSON \\"}) {
    EXPECT_EQ(mended_json(good), std::nullopt) << good;
  }
  EXPECT_EQ(mended_json(R"({"a":"Tea \ud83c"})"), R"({"a":"Tea \ufffd"})");
  EXPECT_EQ(mended_json(R"({"a":"\udf75\uD83C"})"), R"({"a":"\ufffd\ufffd"})");
  EXPECT_EQ(mended_json(R"({"a":"\ud83c\ud83c\udf75"})"), R"({"a":"\ufffd\ud83c\udf75"})");
  EXPECT_EQ(mended_json(R"({"a":"\\\ud83c"})"), R"({"a":"\\\ufffd"})");
  EXPECT_EQ(mended_json("{\"a\":\"\xed\xa0\xbc\"}"), std::nullopt);  // JSON is UTF-8
}

TEST(MendedJson, ABackslashThatIsEscapedBeginsNoEscape) {
  EXPECT_EQ(mended_json(R"("\\\\ud83c")"), std::nullopt);
  EXPECT_EQ(mended_json(R"("\ud83c\\udf75")"), R"("\ufffd\\udf75")") << "the second is text";
  EXPECT_EQ(mended_json(R"("\"\udf75")"), R"("\"\ufffd")");
}

TEST(MendedJson, WhatIsNoEscapeIsNoHalf) {
  for (const char* text : {R"("\ud83)", R"("\ud83")", R"("\ud8 3c")", R"("\u-83c")", R"("\u0xd8")",
                           R"("\Ud83c")", R"("\ud83g")", R"(\)", R"(\u)"}) {
    EXPECT_EQ(mended_json(text), std::nullopt) << text;
  }
}

TEST(MendedJson, KnowsTheEndsOfTheRange) {
  EXPECT_EQ(mended_json(R"("\ud7ff\ue000")"), std::nullopt);
  EXPECT_EQ(mended_json(R"("\uD800\uDC00\uDBFF\uDFFF")"), std::nullopt);
  EXPECT_EQ(mended_json(R"("\udbff\ue000\udfff")"), R"("\ufffd\ue000\ufffd")");
  EXPECT_EQ(mended_json(R"(\ud83c)"), R"(\ufffd)") << "all that there is";
}

TEST(MendedJson, MendsEachOfMany) {
  std::string text;
  std::string mended;
  for (int i = 0; i < 100'000; ++i) {
    text += R"(\udf75)";
    mended += R"(\ufffd)";
  }
  EXPECT_EQ(mended_json(text), mended);
}

}  // namespace

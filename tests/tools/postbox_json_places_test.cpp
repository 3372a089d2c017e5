// The lines of values in a JSON text.

#include <gmock/gmock.h>

#include <json_places.hpp>

namespace postbox::testing {
namespace {

using cli::elements_of;
using cli::line_of;

constexpr const char* kOrder = R"(
{"order_id": "a \"}] b",
 "items": [
   {"quantity": 1},
   {"quantity": -2.5e3,
    "name": ["x", {"y": null}]}
 ],
 "customer": {
   "email": "x"
 }, "total": true}
)";

TEST(JsonPlaces, FindTheLineOfAPath) {
  EXPECT_EQ(line_of(kOrder, ""), 2U);
  EXPECT_EQ(line_of(kOrder, "order_id"), 2U);
  EXPECT_EQ(line_of(kOrder, "items[0].quantity"), 4U);
  EXPECT_EQ(line_of(kOrder, "items[1].quantity"), 5U);
  EXPECT_EQ(line_of(kOrder, "items[1].name[1].y"), 6U);
  EXPECT_EQ(line_of(kOrder, "customer.email"), 9U);
  EXPECT_EQ(line_of(kOrder, "total"), 10U);
}

TEST(JsonPlaces, FindWhatIsAroundAPathThatIsNotThere) {
  EXPECT_EQ(line_of(kOrder, "currency"), 2U);
  EXPECT_EQ(line_of(kOrder, "items[1].unit_price"), 5U);
  EXPECT_EQ(line_of(kOrder, "items[7].unit_price"), 3U);
  EXPECT_EQ(line_of(kOrder, "customer.email.local"), 9U);
}

TEST(JsonPlaces, FindTheElementsOfAList) {
  const auto elements = elements_of("[1,\n \"a,]\",\n\n {\"b\": [2, 3]}, null ]");
  ASSERT_EQ(elements.size(), 4U);
  EXPECT_EQ(elements[0].text, "1");
  EXPECT_EQ(elements[1].text, "\"a,]\"");
  EXPECT_EQ(elements[1].line, 2U);
  EXPECT_EQ(elements[2].text, "{\"b\": [2, 3]}");
  EXPECT_EQ(elements[2].line, 4U);
  EXPECT_EQ(elements[3].text, "null");
  EXPECT_TRUE(elements_of(" [ ] ").empty());
  EXPECT_TRUE(elements_of("{}").empty());
}

TEST(JsonPlaces, EndWithATextThatIsNoJson) {
  for (const char* text : {"", "[", "[\"", "[\"\\", "{\"a\"", "{\"a\":", "[1 2", "[,", "[}", "]"}) {
    (void)elements_of(text);
    EXPECT_EQ(line_of(text, "a.b[3]"), 1U) << text;
    EXPECT_EQ(line_of(text, "[0][99999999999999999999].x"), 1U) << text;
  }
}

TEST(JsonPlaces, DoNotRecurseIntoADeepText) {
  const std::string deep = "[" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + ", 7]";
  EXPECT_EQ(elements_of(deep).size(), 2U);
}

}  // namespace
}  // namespace postbox::testing

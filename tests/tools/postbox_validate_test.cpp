// The command `postbox validate`.

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <record_check.hpp>

#include "command_run.hpp"
#include "support/real_orders.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

constexpr const char* kGood =
    R"({"order_id":"1","currency":"EUR","customer":{"email":"ines@goldenacre.example"},)"
    R"("items":[{"product_id":"P1","name":"Tea","quantity":1,"unit_price":1250}]})";
constexpr const char* kBad =
    R"({"order_id":"2","currency":"EUR","customer":{"email":"ines@goldenacre.example"},)"
    R"("items":[{"product_id":"P1","name":"Tea","quantity":0,"unit_price":12.5}]})";

class Validate : public ::testing::Test {
 protected:
  // Runs the command on standard input.
  CommandRun validate(const std::string& text, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"validate", "-", "--env-file", env_});
    return run_postbox(std::move(more), text);
  }

  Validate() { std::ofstream{env_}; }

  tests::TemporaryFolder folder_;
  const std::string env_ = folder_.file("shop.env");
};

TEST_F(Validate, AGoodOrderIsGood) {
  const CommandRun run = validate(kGood);
  EXPECT_EQ(run.code, cli::kDone);
  EXPECT_EQ(run.out, "1 record, 0 bad; 0 violations, 0 warnings\n");
}

TEST_F(Validate, LinesEachHaveARecord) {
  const std::string text = std::string("\xEF\xBB\xBF") + kGood + "\r\n\n" + kBad + "\n" + kGood;
  const CommandRun run = validate(text);
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_EQ(run.out,
            "standard input:3: items[0].unit_price must be an integer of at most 64 bits, without "
            "a decimal point or exponent\n"
            "standard input:3: items[0].quantity must be at least 1, found 0\n"
            "3 records, 1 bad; 2 violations, 0 warnings\n");
}

TEST_F(Validate, ALineThatIsBrokenIsOneViolation) {
  for (const std::string& text :
       {std::string("{\"order_id\":\n") + kGood, std::string(kGood) + "\n{\"order_id\":"}) {
    const CommandRun run = validate(text);
    EXPECT_THAT(run.out, HasSubstr("body must be JSON in UTF-8"));
    EXPECT_THAT(run.out, HasSubstr("2 records, 1 bad; 1 violation"));
  }
}

TEST_F(Validate, AListHasItsRecordsOnTheirLines) {
  const std::string text = std::string("[\n") + kGood + ",\n" + Json::parse(kBad).dump(2) + "\n]";
  const CommandRun run = validate(text);
  EXPECT_THAT(run.out, HasSubstr("standard input:13: items[0].quantity"));
  EXPECT_THAT(run.out, HasSubstr("standard input:14: items[0].unit_price"));
  EXPECT_THAT(run.out, HasSubstr("2 records, 1 bad"));
}

TEST_F(Validate, AListOfOneIsAListAndNoLines) {
  EXPECT_THAT(validate(std::string("[\n") + kGood + "\n]").out, HasSubstr("1 record, 0 bad"));
  EXPECT_THAT(validate(std::string("[") + kGood + "]").out, HasSubstr("1 record, 0 bad"));
  EXPECT_THAT(validate("[]").out, HasSubstr("0 records"));
  EXPECT_THAT(validate("").out, HasSubstr("0 records"));
}

TEST_F(Validate, ARecordMayHaveSeveralLines) {
  const CommandRun run = validate("\n" + Json::parse(kBad).dump(2));
  EXPECT_THAT(run.out, HasSubstr("standard input:12: items[0].quantity"));
  EXPECT_THAT(run.out, HasSubstr("1 record, 1 bad"));
}

TEST_F(Validate, WhatIsNoJsonIsSaidWithItsLine) {
  const CommandRun run = validate("[\n{\"email\": ines@goldenacre.example}]");
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.out, HasSubstr("standard input:2: body must be JSON"));
  EXPECT_THAT(run.out, Not(HasSubstr("goldenacre")));
}

TEST_F(Validate, NoPersonalValueIsShown) {
  const CommandRun run = validate(
      R"({"order_id":"1","currency":"Euro","total":"Marlowe","placed_at":"Marlowe",
          "customer":{"email":"ines.marlowe","phone":"+49 170 1234","first_name":["Marlowe"]},
          "billing_address":"Rue Verte 3","items":[{"quantity":"Marlowe"}]})");
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.out, HasSubstr("customer.first_name"));
  for (const char* personal : {"Marlowe", "marlowe", "1234", "Rue"}) {
    EXPECT_THAT(run.out + run.err, Not(HasSubstr(personal)));
  }
}

TEST_F(Validate, TheMembersTellTheType) {
  const std::vector<std::pair<const char*, const char*>> samples{
      {R"({"order_id":"1","cart_id":"2"})", "order"},
      {R"({"subscription_id":"1","cart_id":"2"})", "subscription"},
      {R"({"cart_id":"2","items":[]})", "cart"},
      {R"({"items":[]})", "order"},
      {R"({"product_id":"2"})", "product_view"},
      {R"({"name":"Quiz Finished","customer":{}})", "custom_event"},
      {R"({"action":"subscribe","email":"x"})", "consent"},
      {R"({"email":"x"})", "profile"},
      {R"({"colour":"red"})", ""},
      {"[]", ""}};
  for (const auto& [text, type] : samples) {
    EXPECT_EQ(cli::guess_type(nlohmann::json::parse(text)), type) << text;
  }
  EXPECT_THAT(validate(R"({"colour":"red"})").out, HasSubstr("name it with --type"));
  EXPECT_THAT(validate(R"({"colour":"red"})", {"--type", "cart"}).out,
              HasSubstr("cart_id is required"));
}

// The examples of docs/json.md, each under its heading.
TEST_F(Validate, EveryExampleOfTheDocumentationIsGood) {
  std::ifstream page(POSTBOX_SOURCE_DIR "/docs/json.md");
  std::string example;
  bool inside = false;
  int count = 0;
  for (std::string line; std::getline(page, line);) {
    if (inside && line == "```") {
      const CommandRun run = validate(example);
      EXPECT_EQ(run.code, cli::kDone) << example << run.out;
      example.clear();
      ++count;
    }
    if (line.starts_with("```")) {
      inside = line == "```json";
    } else if (inside) {
      example += line + '\n';
    }
  }
  EXPECT_EQ(count, 7);
}

TEST_F(Validate, TheCountryOfTheServerIsThatOfNumbers) {
  const std::string text =
      R"({"order_id":"1","currency":"EUR","customer":{"email":"ines@goldenacre.example",
          "phone":"0170 1234567"},"items":[{"product_id":"P1","name":"Tea","quantity":1,
          "unit_price":1250}]})";
  EXPECT_THAT(validate(text).out, HasSubstr("warning: customer.phone"));
  std::ofstream(env_) << "KLAVIYO_DEFAULT_COUNTRY=DE\n";
  EXPECT_THAT(validate(text).out, HasSubstr("0 warnings"));
}

TEST_F(Validate, JsonHasEveryViolation) {
  const auto answer =
      nlohmann::json::parse(validate(std::string(kGood) + "\n" + kBad, {"--json"}).out);
  EXPECT_EQ(answer["records"], 2);
  EXPECT_EQ(answer["bad"], 1);
  ASSERT_EQ(answer["found"].size(), 2U);
  EXPECT_EQ(answer["found"][0]["record"], 2);
  EXPECT_EQ(answer["found"][0]["line"], 2);
  EXPECT_EQ(answer["found"][0]["path"], "items[0].unit_price");
}

TEST_F(Validate, UsedWronglySaysHow) {
  EXPECT_EQ(run_postbox({"validate"}).code, cli::kWrongUse);
  EXPECT_EQ(run_postbox({"validate", "/nowhere.json"}).code, cli::kWrongUse);
  EXPECT_EQ(run_postbox({"validate", "-", "--type", "refund"}).code, cli::kWrongUse);
}

Json line_of(const klaviyo::OrderItem& item) {
  return {{"line_id", item.line_id},
          {"product_id", item.product_id},
          {"name", item.name},
          {"quantity", item.quantity},
          {"unit_price", item.unit_price.count}};
}

// One order a line, as a shop would write them.
TEST_F(Validate, OfTheRealOrdersOnlyTheBadOnesAreNamed) {
  std::ifstream csv(tests::orders_file());
  if (!csv) GTEST_SKIP() << "no " << tests::orders_file();
  std::string text;
  for (const auto& [id, order] : tests::read_orders(csv)) {
    Json lines = Json::array();
    for (const klaviyo::OrderItem& item : order.items) lines.push_back(line_of(item));
    text += Json{{"order_id", id},
                 {"currency", "GBP"},
                 {"customer", {{"email", order.customer.email}}},
                 {"items", std::move(lines)}}
                .dump() +
            '\n';
  }
  const CommandRun run = validate(text);
  EXPECT_THAT(run.out, HasSubstr("customer needs at least one of email"));
  EXPECT_THAT(run.out, HasSubstr("66 records, 1 bad"));
}

}  // namespace
}  // namespace postbox::testing

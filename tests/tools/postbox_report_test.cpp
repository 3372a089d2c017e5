// The command `postbox report`, against the local Klaviyo.

#include <comparison.hpp>
#include <fstream>
#include <http_server.hpp>

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using cli::Amount;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

class ReportCommand : public CommandShop {
 protected:
  void SetUp() override {
    sim_.keys = {"pk_0123456789abcdef"};
    sim_.limits = false;
    pause_ = [this](std::chrono::milliseconds time) {
      if (time > 0ms) pauses_.push_back(time);
      return !is_ended_;
    };
    serve();
    start();
    stop();
  }

  void serve() {
    const int port = klaviyo_.start({.port = 0, .simulator = sim_});
    set("KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(port));
  }

  // An order of one line, as a line of a file.
  static std::string line(const std::string& id, const std::string& time, std::int64_t price,
                          const std::string& currency = "EUR") {
    return Json{{"order_id", id},
                {"placed_at", time},
                {"currency", currency},
                {"customer", {{"email", "ines@goldenacre.example"}}},
                {"items",
                 {{{"product_id", "P1"}, {"name", "Tea"}, {"quantity", 1}, {"unit_price", price}}}}}
               .dump() +
           "\n";
  }

  std::string write(const std::string& text, const std::string& name = "orders.jsonl") {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }

  // Brings the orders to Klaviyo.
  void record(const std::string& text) {
    const CommandRun run = this->run({"import", write(text, "imported.jsonl")});
    ASSERT_EQ(run.code, cli::kDone) << run.out << run.err;
  }

  // An event as anybody may send it.
  void post(const Json& attributes, const std::string& email = "ben@silverhill.example") {
    Json event = attributes;
    event["profile"] = {{"data", {{"type", "profile"}, {"attributes", {{"email", email}}}}}};
    if (!event.contains("properties")) event["properties"] = Json::object();
    if (!event.contains("metric")) {
      event["metric"] = {
          {"data", {{"type", "metric"}, {"attributes", {{"name", "Placed Order"}}}}}};
    }
    sim::Request request;
    request.method = "POST";
    request.path = "/api/events";
    request.headers = {{"authorization", "Klaviyo-API-Key pk_0123456789abcdef"},
                       {"revision", "2026-10-15"},
                       {"content-type", "application/vnd.api+json"}};
    request.body = Json{{"data", {{"type", "event"}, {"attributes", event}}}}.dump();
    EXPECT_EQ(klaviyo_.simulator().handle(request).status, 202);
  }

  CommandRun report(std::vector<std::string> more) {
    std::vector<std::string> words = {"report", "--from", "2025-11-01", "--to", "2025-11-30"};
    words.insert(words.end(), more.begin(), more.end());
    return run(std::move(words));
  }
  Json report_json(std::vector<std::string> more, int expected) {
    more.emplace_back("--json");
    const CommandRun run = report(std::move(more));
    EXPECT_EQ(run.code, expected) << run.out << run.err;
    return Json::parse(run.out, nullptr, false);
  }
  // The names of what is different in one way.
  static std::vector<std::string> names(const Json& report, const std::string& kind) {
    std::vector<std::string> found;
    if (!report["differences"].contains(kind)) return found;
    for (const auto& one : report["differences"][kind]["first"]) {
      found.push_back(one["metric"].get<std::string>() + " " + one["id"].get<std::string>());
    }
    return found;
  }

  const std::string first_ = line("1001", "2025-11-01T10:00:00Z", 1250);
  const std::string second_ = line("1002", "2025-11-02T11:00:00+01:00", 99);
  const std::string yen_ = line("1003", "2025-11-02T23:30:00Z", 1250, "JPY");

  sim::SimulatorOptions sim_;
  std::vector<std::chrono::milliseconds> pauses_;
  bool is_ended_ = false;
  sim::Server klaviyo_;
};

TEST_F(ReportCommand, WhatWasImportedIsAllThere) {
  record(first_ + second_ + yen_);
  const CommandRun run = report({write(first_ + second_ + yen_)});
  EXPECT_EQ(run.code, cli::kDone) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("2025-11-01  Placed Order     EUR"), HasSubstr("12.50"),
                             HasSubstr("Ordered Product  JPY"), HasSubstr("1250"), HasSubstr("all"),
                             HasSubstr("13.49"), HasSubstr("Klaviyo and the file agree")));
}

TEST_F(ReportCommand, NamesWhatIsOnOneSideAlone) {
  record(first_ + second_);
  const auto file = write(first_ + yen_);
  const auto found = report_json({file}, cli::kProblem);
  EXPECT_EQ(found["same"], false);
  EXPECT_THAT(names(found, "not_at_klaviyo"),
              ElementsAre("Ordered Product 1003_1", "Placed Order 1003"));
  EXPECT_THAT(names(found, "not_in_file"),
              ElementsAre("Ordered Product 1002_1", "Placed Order 1002"));
  EXPECT_EQ(found["differences"]["not_at_klaviyo"]["first"][1]["file"],
            Json({{"day", "2025-11-02"}, {"value_minor", 1250}, {"currency", "JPY"}}));
  const CommandRun run = report({file, "--max", "1"});
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("2 in the file and not at Klaviyo:"),
                    HasSubstr("Ordered Product 1003_1, in the file 2025-11-02 1250 JPY"),
                    HasSubstr("and 1 more (--max)"), HasSubstr("Klaviyo and the file differ")));
}

TEST_F(ReportCommand, NamesAnotherValueAndAnotherDay) {
  record(first_ + second_);
  const auto found = report_json({"--metric", "Placed Order",
                                  write(line("1001", "2025-11-01T10:00:00Z", 1251) +
                                        line("1002", "2025-11-03T10:00:00Z", 99))},
                                 cli::kProblem);
  EXPECT_THAT(names(found, "different"), ElementsAre("Placed Order 1001", "Placed Order 1002"));
  const auto& value = found["differences"]["different"]["first"][0];
  EXPECT_EQ(value["klaviyo"]["value_minor"], 1250);
  EXPECT_EQ(value["file"]["value_minor"], 1251);
}

TEST_F(ReportCommand, NamesWhatStandsTwice) {
  record(first_);
  post({{"unique_id", "1001"},
        {"time", "2025-11-01T10:00:00Z"},
        {"value", 12.5},
        {"value_currency", "EUR"}});
  const auto found =
      report_json({"--metric", "Placed Order", write(first_ + first_)}, cli::kProblem);
  EXPECT_THAT(names(found, "twice_at_klaviyo"), ElementsAre("Placed Order 1001"));
  EXPECT_THAT(names(found, "twice_in_file"), ElementsAre("Placed Order 1001"));
  EXPECT_EQ(found["days"][0]["klaviyo"], Json({{"count", 2}, {"value_minor", 2500}}));
  EXPECT_EQ(found["days"][0]["file"], Json({{"count", 1}, {"value_minor", 1250}}));
  EXPECT_EQ(report({}).code, cli::kProblem) << "also without a file";
}

TEST_F(ReportCommand, WithoutAFileItHasKlaviyosSideAlone) {
  record(first_ + second_);
  post({{"unique_id", "x"},
        {"time", "2025-11-05T10:00:00Z"},
        {"metric", {{"data", {{"type", "metric"}, {"attributes", {{"name", "Quiz"}}}}}}}});
  const auto found = report_json({}, cli::kDone);
  ASSERT_EQ(found["days"].size(), 4U);
  EXPECT_FALSE(found["days"][0].contains("file"));
  EXPECT_EQ(report_json({"--metric", "Quiz"}, cli::kDone)["days"].size(), 1U);
}

TEST_F(ReportCommand, ADayBeginsByTheClockThatIsAskedFor) {
  const std::string late = line("1004", "2025-11-30T22:30:00Z", 100) +
                           line("1005", "2025-11-30T23:30:00Z", 100) +
                           line("1006", "2025-10-31T23:30:00Z", 100);
  record(late);
  const auto days = [&](const std::string& offset) {
    std::vector<std::string> found;
    const auto report =
        report_json({"--metric", "Placed Order", "--utc-offset", offset, write(late)}, cli::kDone);
    for (const auto& day : report["days"]) {
      found.push_back(day["day"].get<std::string>() + " " + day["klaviyo"]["count"].dump());
    }
    EXPECT_EQ(report["of_other_days"].get<int>() + static_cast<int>(found.size()),
              offset == "+00:00" ? 2 : 3);
    return found;
  };
  EXPECT_THAT(days("+00:00"), ElementsAre("2025-11-30 2"));
  EXPECT_THAT(days("+01:00"), ElementsAre("2025-11-01 1", "2025-11-30 1"));
}

TEST_F(ReportCommand, ReadsPageAfterPage) {
  for (int i = 0; i < 450; ++i) {
    post({{"unique_id", std::to_string(i)},
          {"time", "2025-11-0" + std::to_string(1 + i % 9) + "T10:00:00Z"},
          {"value", Json::parse("0.1")},
          {"value_currency", "EUR"}});
  }
  const auto found = report_json({}, cli::kDone);
  std::int64_t count = 0;
  std::int64_t value = 0;
  for (const auto& day : found["days"]) {
    count += day["klaviyo"]["count"].get<std::int64_t>();
    value += day["klaviyo"]["value_minor"].get<std::int64_t>();
  }
  EXPECT_EQ(found["days"].size(), 9U);
  EXPECT_EQ(count, 450);
  EXPECT_EQ(value, 4'500) << "to the cent";
}

TEST_F(ReportCommand, SaysWhichScopeIsMissing) {
  for (const char* missing : {"metrics:read", "events:read"}) {
    sim_.scopes = {"accounts:read", "metrics:read", "events:read", "events:write"};
    std::erase(*sim_.scopes, missing);
    serve();
    post({{"unique_id", "1"}, {"time", "2025-11-01T10:00:00Z"}});
    const CommandRun run = report({});
    EXPECT_EQ(run.code, cli::kProblem);
    EXPECT_THAT(run.err, HasSubstr(std::string("The key lacks ") + missing));
  }
  sim_.scopes = {"metrics:read", "events:read", "events:write"};
  serve();
  EXPECT_EQ(report({}).code, cli::kDone) << "the account's name is not needed";
}

TEST_F(ReportCommand, WaitsWhileKlaviyoIsBusyAndEndsWhenToldTo) {
  record(first_);
  pauses_.clear();
  const std::string trouble =
      R"([{"match":{"method":"GET"},"status":429,"retry_after":9},
          {"match":{"method":"GET"},"times":2,"status":503,"html":true}])";
  ASSERT_EQ(klaviyo_.simulator().set_faults(trouble), std::nullopt);
  EXPECT_EQ(report({write(first_)}).code, cli::kDone);
  EXPECT_THAT(pauses_, ElementsAre(9s, 2s, 4s));
  ASSERT_EQ(klaviyo_.simulator().set_faults(trouble), std::nullopt);
  is_ended_ = true;
  const CommandRun run = report({write(first_)});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("rate limit is used up"));
}

TEST_F(ReportCommand, WhatCannotBeReadIsNamedByItsLine) {
  record(first_);
  const CommandRun run =
      report({write(first_ + R"({"order_id": "ines@goldenacre.example"})" + "\n")});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("line 2 is not compared: "));
  EXPECT_THAT(run.out, HasSubstr("1 record of the file could not be read"));
  EXPECT_THAT(report({write("{}\n")}).err, HasSubstr("has no record that can be read"));
}

TEST_F(ReportCommand, ReadsCsvAndKnowsTheMetricsAsTheAccountDoes) {
  set("KLAVIYO_METRIC_NAMES", "Placed Order=Bought");
  set("KLAVIYO_DISABLED_METRICS", "Ordered Product");
  record(first_);
  const auto file = write(
      "order_id,placed_at,currency,customer.email,items[].product_id,items[].name,"
      "items[].quantity,items[].unit_price\n"
      "1001,2025-11-01T10:00:00Z,EUR,ines@goldenacre.example,P1,Tea,1,12.50\n",
      "orders.csv");
  const auto found = report_json({file}, cli::kDone);
  ASSERT_EQ(found["days"].size(), 1U);
  EXPECT_EQ(found["days"][0]["metric"], "Bought");
}

TEST_F(ReportCommand, ReadsAnExportWithHeadingsOfTheShopsOwn) {
  record(first_);
  const auto file = write(
      "No;When;Mail;Article;Title;Count;Price\n"
      "1001;2025-11-01 11:00;ines@goldenacre.example;P1;Tea;1;12,50\n",
      "export.csv");
  EXPECT_EQ(
      report({"--map", "No=order_id", "--map", "When=placed_at", "--map", "Mail=customer.email",
              "--map", "Article=items[].product_id", "--map", "Title=items[].name", "--map",
              "Count=items[].quantity", "--map", "Price=items[].unit_price", "--set",
              "currency=EUR", "--utc-offset", "+01:00", file})
          .code,
      cli::kDone);
  EXPECT_EQ(report({"--map", "No", file}).code, cli::kWrongUse);
}

TEST_F(ReportCommand, AnEventThatDoesNotSayItsCurrencyHasThatOfTheFile) {
  post({{"unique_id", "1003"}, {"time", "2025-11-02T23:30:00Z"}, {"value", 1250}});
  EXPECT_EQ(report({"--metric", "Placed Order", write(yen_)}).code, cli::kDone);
  EXPECT_EQ(report_json({}, cli::kDone)["days"][0]["currency"], "EUR") << "the account's";
}

TEST_F(ReportCommand, UsedWronglySaysHow) {
  const auto wrong = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "report");
    const CommandRun run = this->run(std::move(words));
    EXPECT_EQ(run.code, cli::kWrongUse);
    return run.err;
  };
  EXPECT_THAT(wrong({"--from", "1.11.2025", "--to", "2025-11-30"}),
              HasSubstr("--from: '1.11.2025' is not accepted; expected a day"));
  EXPECT_THAT(wrong({"--from", "2025-11-01", "--to", "2025-11-31"}),
              HasSubstr("--to: '2025-11-31'"));
  EXPECT_THAT(wrong({"--from", "2025-11-02", "--to", "2025-11-01"}), HasSubstr("before --from"));
  EXPECT_THAT(wrong({"--from", "2025-11-01", "--to", "2025-11-01", "--utc-offset", "CET"}),
              HasSubstr("--utc-offset: 'CET' is not accepted"));
  set("KLAVIYO_API_KEY", "");
  EXPECT_THAT(report({}).err, HasSubstr("KLAVIYO_API_KEY is not set"));
}

TEST(ReportAmount, IsExact) {
  const auto text = [](const char* decimal, const char* currency) {
    const auto amount = Amount::parse(decimal);
    return amount ? amount->to_text(klaviyo::Currency(currency)) : std::string("none");
  };
  EXPECT_EQ(text("12.5", "EUR"), "12.50");
  EXPECT_EQ(text("-0.01", "EUR"), "-0.01");
  EXPECT_EQ(text("1250", "JPY"), "1250");
  EXPECT_EQ(text("1.2345e3", "KWD"), "1234.500");
  EXPECT_EQ(text("1e-2", "EUR"), "0.01");
  EXPECT_EQ(text("92233720368547.75", "EUR"), "92233720368547.75");
  EXPECT_EQ(text("12.345", "EUR"), "12.345") << "more than the currency has is shown";
  EXPECT_EQ(text("0.00005", "EUR"), "0.0001");
  EXPECT_EQ(text("0", ""), "0.00");
  for (const char* bad : {"", "-", "12,50", "1e9999", "1e15", "nan", "1.2.3", "e5"}) {
    EXPECT_EQ(text(bad, "EUR"), "none") << bad;
  }
  EXPECT_EQ(Amount::parse("12.5")->minor("EUR"), 1250);
  EXPECT_EQ(Amount::parse("-12.5")->minor("EUR"), -1250);
  EXPECT_EQ(Amount::parse("1250")->minor("JPY"), 1250);
}

}  // namespace
}  // namespace postbox::testing

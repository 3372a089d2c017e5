// The command `postbox import`: files of orders and subscriptions become history at a simulated
// Klaviyo.

#include <sys/stat.h>

#include <filesystem>
#include <importer.hpp>
#include <mutex>
#include <sstream>

#include "command_klaviyo.hpp"
#include "support/program.hpp"
#include "support/real_orders.hpp"

namespace postbox::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ImportCommand : public CommandKlaviyo {
 protected:
  void SetUp() override {
    set("KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED", "true");
    start();
    stop();  // now there is an outbox
  }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
    return folder_.file(name);
  }

  static std::string order_line(const std::string& id, const std::string& more = {}) {
    return R"({"order_id":")" + id +
           R"(","placed_at":"2024-05-01T10:00:00Z","currency":"EUR","customer":{"external_id":"user-42"},)"
           R"("items":[{"product_id":"P1","name":"Tea","quantity":2,"unit_price":1250}])" +
           more + "}\n";
  }

  std::vector<json> recorded() {
    std::vector<json> all;
    sim::Request request;
    request.method = "GET";
    request.path = "/api/events";
    request.query = {{"include", "metric"}, {"page[size]", "1000"}};
    request.headers = {{"authorization", "Klaviyo-API-Key pk_0123456789abcdef"},
                       {"revision", "2026-10-15"}};
    for (;;) {
      const json page = json::parse(klaviyo_.simulator().handle(request).body);
      if (!page.contains("data")) ADD_FAILURE() << page;
      std::map<std::string, std::string> metrics;
      for (const json& each : page.value("included", json::array())) {
        metrics[each["id"]] = each["attributes"]["name"];
      }
      for (json event : page["data"]) {
        event["metric"] = metrics[event["relationships"]["metric"]["data"]["id"]];
        all.push_back(std::move(event));
      }
      if (!page["links"]["next"].is_string()) return all;
      const std::string next = page["links"]["next"];
      constexpr std::string_view kCursor = "page%5Bcursor%5D=";
      const std::size_t begin = next.find(kCursor) + kCursor.size();
      request.query.erase("page[cursor]");
      request.query.emplace("page[cursor]", next.substr(begin, next.find('&', begin) - begin));
    }
  }

  // Of a metric: "1001 29.00".
  std::vector<std::string> recorded(const std::string& metric) {
    std::vector<std::string> found;
    for (const json& event : recorded()) {
      if (event["metric"] != metric) continue;
      const json& properties = event["attributes"]["event_properties"];
      found.push_back(properties["$event_id"].get<std::string>() + ' ' +
                      properties.value("$value", json()).dump());
    }
    std::ranges::sort(found);
    return found;
  }

  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(ImportCommand, JsonLinesBecomeHistory) {
  const std::string file = write(
      "orders.jsonl",
      order_line("1001") + "\n" +
          R"({"subscription_id":"s-1","plan_id":"tea","plan_name":"Tea","currency":"EUR",)"
          R"("amount":1900,"started_at":"2024-06-01T10:00:00Z","customer":{"external_id":"u"}})"
          "\n");
  const auto end = run_json({"import", file});
  EXPECT_EQ(end["records"], 2);
  EXPECT_EQ(end["imported"], 2);
  EXPECT_EQ(end["waiting"], 0);
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 25.0"));
  EXPECT_THAT(recorded("Subscription Started"), SizeIs(1));
  for (const json& event : recorded()) {
    EXPECT_THAT(event["attributes"]["datetime"].get<std::string>(), HasSubstr("2024-0"));
  }
  EXPECT_FALSE(std::filesystem::exists(file + ".rejected"));
}

TEST_F(ImportCommand, RowsOfCsvBecomeOrders) {
  const std::string file =
      write("orders.csv",
            "\xEF\xBB\xBForder_id,placed_at,currency,customer.external_id,"
            "items[].product_id,items[].name,items[].quantity,"
            "items[].unit_price,items[].categories,shipping,properties.gift\r\n"
            "1001,2024-05-01 10:00:00 +0200,EUR,u-1,P1,\"Tea, \"\"green\"\"\","
            "2,12.50,Tea|Green,4.9,yes\r\n"
            "1001,,,,P2,\"Cup\nof two lines\",1,3,,,\r\n"
            "1002,2024-05-02,JPY,u-2,P1,Tea,1,1250,,,\r\n");
  const auto end = run_json({"import", file, "--utc-offset", "+02:00"});
  EXPECT_EQ(end["records"], 2);
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 32.9", "1002 1250"));
  const auto events = recorded();
  ASSERT_THAT(events, SizeIs(5));
  const auto first = std::ranges::find_if(events, [](const json& event) {
    return event["attributes"]["event_properties"]["$event_id"] == "1001" &&
           event["metric"] == "Placed Order";
  });
  ASSERT_NE(first, events.end());
  EXPECT_THAT((*first)["attributes"]["datetime"].get<std::string>(),
              HasSubstr("2024-05-01T08:00:00"));
  const json& properties = (*first)["attributes"]["event_properties"];
  EXPECT_EQ(properties["gift"], "yes");
  EXPECT_EQ(properties["Items"][0]["ProductName"], "Tea, \"green\"");
  EXPECT_EQ(properties["Items"][1]["ProductName"], "Cup\nof two lines");
  EXPECT_THAT(properties["Categories"], ElementsAre("Tea", "Green"));
}

TEST_F(ImportCommand, RowsWithNothingInThemAreNone) {
  const std::string file =
      write("orders.csv",
            "order_id,placed_at,currency,customer.external_id,"
            "items[].product_id,items[].name,items[].quantity,"
            "items[].unit_price\n"
            "\n  \n1001,2024-05-01,EUR,u-1,P1,Tea,1,5.00\n"
            ",,,,,,,\n  \n1002,2024-05-01,EUR,u-1,P1,Tea,x,5.00\n  \n,,,,,,,\n");
  const auto end = run_json({"import", file, "--utc-offset", "+00:00"}, cli::kProblem);
  EXPECT_EQ(end["records"], 2);
  EXPECT_THAT(read(file + ".rejected"), HasSubstr("\n1002,2024-05-01,EUR,u-1,P1,Tea,x,5.00,7,"));
}

TEST_F(ImportCommand, TheShopsOwnHeadingsAreMapped) {
  const std::string file = write("export.csv",
                                 "Bestellung;Datum;Artikel;Bezeichnung;Menge;Preis;Kunde;Notiz\n"
                                 "1001;24.12.2023 18:30;P1;Tee;2;12,50;user-42;ring twice\n");
  const std::vector<std::string> command{"import",        file,
                                         "--map",         "Bestellung=order_id",
                                         "--map",         "Datum=placed_at",
                                         "--map",         "Artikel=items[].product_id",
                                         "--map",         "Bezeichnung=items[].name",
                                         "--map",         "Menge=items[].quantity",
                                         "--map",         "Preis=items[].unit_price",
                                         "--map",         "Kunde=customer.external_id",
                                         "--set",         "currency=EUR",
                                         "--time-format", "%d.%m.%Y %H:%M",
                                         "--utc-offset",  "+01:00"};
  auto dry = command;
  dry.emplace_back("--dry-run");
  const CommandRun shown = run(dry);
  EXPECT_EQ(shown.code, cli::kDone);
  EXPECT_THAT(shown.out, HasSubstr("line 2: Placed Order 1001, 25.0 EUR, 2023-12-24T17:30:00"));
  EXPECT_THAT(shown.err, HasSubstr("left out, since --map does not say what they are: 'Notiz'"));
  EXPECT_THAT(recorded(), IsEmpty()) << "a dry run sends nothing";
  EXPECT_EQ(run(command).code, cli::kDone);
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 25.0"));
}

TEST_F(ImportCommand, WhatIsRefusedIsInAFileWithLineAndReason) {
  const std::string file =
      write("orders.jsonl", order_line("1001") + "{\"order_id\": broken}\n" +
                                order_line("1003", R"(,"shipping":1.5)") +
                                R"({"cart_id":"c-7","items":[]})" + "\n" + order_line("1005"));
  const auto end = run_json({"import", file}, cli::kProblem);
  EXPECT_EQ(end["imported"], 2);
  EXPECT_EQ(end["refused"], 3);
  EXPECT_EQ(end["refused_file"], file + ".rejected");
  struct stat found {};
  ASSERT_EQ(::stat((file + ".rejected").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U) << "it may have personal data";
  std::istringstream lines(read(file + ".rejected"));
  std::vector<json> refused;
  for (std::string line; std::getline(lines, line);) refused.push_back(json::parse(line));
  ASSERT_THAT(refused, SizeIs(3));
  EXPECT_EQ(refused[0]["line"], 2);
  EXPECT_EQ(refused[0]["text"], "{\"order_id\": broken}");
  EXPECT_EQ(refused[1]["line"], 3);
  EXPECT_THAT(refused[1]["reason"].get<std::string>(), HasSubstr("shipping must be an integer"));
  EXPECT_EQ(refused[1]["record"]["order_id"], "1003");
  EXPECT_THAT(refused[2]["reason"].get<std::string>(), HasSubstr("is a cart; expected an order"));
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 25.0", "1005 25.0"));
}

TEST_F(ImportCommand, RefusedRowsCanBeMendedAndImported) {
  const std::string heading =
      "order_id,placed_at,currency,customer.external_id,items[].product_id,items[].name,"
      "items[].quantity,items[].unit_price\n";
  const std::string file =
      write("orders.csv", heading +
                              "1001,2024-05-01T10:00:00Z,EUR,u-1,P1,Tea,1,\"1,250.00\"\n"
                              "1001,2024-05-01T10:00:00Z,EUR,u-1,P2,Cup,1,3.00\n"
                              "1002,2024-05-01T10:00:00Z,EUR,u-1,P1,Tea,1\n"
                              "1003,2024-05-01T10:00:00Z,EUR,u-1,P1,Tea,1,1.250\n"
                              "1004,,EUR,u-1,P1,Tea,1,5.00\n"
                              "1005,2024-05-01T10:00:00Z,EUR,u-1,P1,Tea,1,5.0000\n");
  EXPECT_EQ(run_json({"import", file}, cli::kProblem)["refused"], 4);
  std::string refused = read(file + ".rejected");
  EXPECT_THAT(refused,
              AllOf(HasSubstr("rejected_line,rejected_reason\n"),
                    HasSubstr(",\"1,250.00\",2,\"items[0].unit_price must be an amount such as "
                              "12.50, without a sign of its currency or of thousands"),
                    HasSubstr("P2,Cup,1,3.00,2,"),
                    HasSubstr("P1,Tea,1,4,\"line 4 has 7 cells; the heading has 8"),
                    HasSubstr("1.250,5,\"items[0].unit_price must be an amount"),
                    HasSubstr("5.00,6,\"placed_at is required: history is recorded at its own")));
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1005 5.0"));
  const auto replace = [&refused](const std::string& from, const std::string& to) {
    const std::size_t at = refused.find(from);
    ASSERT_NE(at, std::string::npos);
    refused.replace(at, from.size(), to);
  };
  replace("\"1,250.00\"", "1250.00");
  const auto end = run_json({"import", write("mended.csv", refused)}, cli::kProblem);
  EXPECT_EQ(end["imported"], 1);
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 1253.0", "1005 5.0"));
}

TEST_F(ImportCommand, TheSameCommandImportsNothingTwice) {
  const std::string file = write("orders.jsonl", order_line("1001") + "{}\n");
  EXPECT_EQ(run_json({"import", file}, cli::kProblem)["records_of_this_run"], 2);
  const auto requests = klaviyo_.simulator().stats().requests;
  EXPECT_EQ(run_json({"import", file}, cli::kProblem)["records_of_this_run"], 0);
  EXPECT_EQ(klaviyo_.simulator().stats().requests, requests);
  // Rows that a shop adds later are all that is imported.
  write("orders.jsonl", order_line("1001") + "{}\n" + order_line("1002"));
  const auto end = run_json({"import", file}, cli::kProblem);
  EXPECT_EQ(end["records_of_this_run"], 1);
  EXPECT_EQ(end["imported"], 2);
  EXPECT_THAT(recorded("Placed Order"), ElementsAre("1001 25.0", "1002 25.0"));
}

TEST_F(ImportCommand, AFileThatWasChangedIsNotGoneOnWith) {
  const std::string file = write("orders.jsonl", order_line("1001") + order_line("1002"));
  EXPECT_EQ(run({"import", file}).code, cli::kDone);
  write("orders.jsonl", order_line("1000") + order_line("1002") + order_line("1003"));
  const CommandRun changed = run({"import", file});
  EXPECT_EQ(changed.code, cli::kProblem);
  EXPECT_THAT(changed.err, HasSubstr("the first 2 records are not those that were imported"));
  EXPECT_THAT(recorded("Placed Order"), SizeIs(2));
  EXPECT_EQ(run({"import", file, "--restart"}).code, cli::kDone);
  EXPECT_THAT(recorded("Placed Order"), SizeIs(4));
}

TEST_F(ImportCommand, RowsOfAnOrderThatStandApartSendNothing) {
  const std::string heading =
      "order_id,placed_at,currency,customer.external_id,items[].product_id,items[].name,"
      "items[].quantity,items[].unit_price\n";
  const auto row = [](const std::string& id) {
    return id + ",2024-05-01T10:00:00Z,EUR,u-1,P1,Tea,1,5.00\n";
  };
  const std::string apart = write("apart.csv", heading + row("1001") + row("1002") + row("1001"));
  const CommandRun refused = run({"import", apart});
  EXPECT_EQ(refused.code, cli::kProblem);
  EXPECT_THAT(refused.err, HasSubstr("line 4: the order stands further up, too"));
  const std::string open =
      write("open.csv", heading + row("1001") + "1002,\"2024-05-01T10:00:00Z\n" + row("1003"));
  EXPECT_THAT(run({"import", open}).err, HasSubstr("line 3: a quotation mark is not closed"));
  EXPECT_THAT(recorded(), IsEmpty());
}

TEST_F(ImportCommand, AWrongMapStopsAtOnce) {
  std::string text;
  for (int i = 0; i < 150; ++i) {
    text += R"({"order_id":")" + std::to_string(i) + "\"}\n";
  }
  const CommandRun wrong = run({"import", write("orders.jsonl", text)});
  EXPECT_EQ(wrong.code, cli::kProblem);
  EXPECT_THAT(wrong.err, HasSubstr("the first 100 records are all refused"));
}

TEST_F(ImportCommand, AFamilyThatIsOffTakesNothing) {
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  const std::string file = write("orders.jsonl", order_line("1001"));
  const CommandRun off = run({"import", file});
  EXPECT_EQ(off.code, cli::kProblem);
  EXPECT_THAT(off.err, HasSubstr("PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is off"));
  EXPECT_THAT(off.out, HasSubstr("imported             0\n")) << "nothing of it was kept";
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "true");
  EXPECT_EQ(run({"import", file}).code, cli::kDone);
  EXPECT_THAT(recorded("Placed Order"), SizeIs(1));
}

TEST_F(ImportCommand, CustomersBeyondThePercentageAreRefusedAndNamed) {
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "50%");
  std::string text;
  for (int i = 0; i < 40; ++i) {
    json order = json::parse(order_line(std::to_string(i)));
    order["customer"]["external_id"] = "u-" + std::to_string(i);
    text += order.dump() + '\n';
  }
  const std::string file = write("orders.jsonl", text);
  const auto end = run_json({"import", file}, cli::kProblem);
  const auto refused = end["refused"].get<std::size_t>();
  EXPECT_GT(refused, 0U);
  EXPECT_THAT(recorded("Placed Order"), SizeIs(40 - refused));
  EXPECT_THAT(read(file + ".rejected"),
              HasSubstr("PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED=50% does not include this customer"));
}

// The note of how far the import has come must never be ahead of the disk. This tracker writes only
// when somebody waits for it.
TEST_F(ImportCommand, ACommitWaitsForTheDiskAlsoWhereItsLastRecordIsLeftOut) {
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "50%");
  std::vector<std::string> taken;
  std::string left_out;
  for (int i = 0; taken.size() < 3 || left_out.empty(); ++i) {
    json order = json::parse(order_line(std::to_string(i)));
    klaviyo::Profile customer;
    order["customer"]["external_id"] = customer.external_id = "u-" + std::to_string(i);
    const bool is_in = Flag::parse("50%")->includes(klaviyo::profile_key(customer));
    is_in ? taken.push_back(order.dump() + '\n') : (void)(left_out = order.dump() + '\n');
  }
  const std::string file = write("orders.jsonl", taken[0] + taken[1] + taken[2] + left_out);

  const auto config = this->config();
  auto tracker = klaviyo::start(config, Services{.http = http_, .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  auto outbox = klaviyo::open_operator(config);
  ASSERT_TRUE(outbox) << outbox.error().message;
  auto refused = cli::RefusedFile::open(file + ".rejected", std::nullopt);
  ASSERT_TRUE(refused) << refused.error().message;
  std::istringstream in;
  std::ostringstream out;
  cli::Console console{.in = in, .out = out, .err = out, .pause = [](auto) { return false; }};
  cli::ImportProgress progress(console, std::make_shared<std::mutex>(), 1);
  cli::Importer importer({.name = file, .refused = file + ".rejected"}, config, *tracker, *outbox,
                         {}, *std::move(refused), progress, console);
  const auto end = importer.run();
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(importer.state().records, 4);
  EXPECT_EQ(importer.state().refused, 1);
  EXPECT_EQ(outbox->status()->totals.appended, 6U) << "three orders of one line each";
}

TEST_F(ImportCommand, BesideAServerTheServerSends) {
  start();
  work();
  const std::string file = write("orders.jsonl", order_line("1001"));
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  // The server works whenever the import waits for it.
  cli::Console console{.in = in, .out = out, .err = err, .pause = [&](std::chrono::milliseconds) {
                         work();
                         return true;
                       }};
  EXPECT_EQ(cli::run_command_line(
                {"import", file, "--json", "--env-file", env_file(), "--prefix", kPrefix}, console),
            cli::kDone)
      << err.str();
  EXPECT_EQ(json::parse(out.str())["imported"], 1);
  EXPECT_FALSE(http_->requests().empty()) << "the server's own client has sent it";
  EXPECT_THAT(recorded(), IsEmpty());
}

TEST_F(ImportCommand, ASignalEndsItAndTheSameCommandGoesOn) {
  std::string text;
  for (int i = 0; i < 1'200; ++i) text += order_line(std::to_string(i));
  const std::string file = write("orders.jsonl", text);
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  int pauses = 0;
  cli::Console console{.in = in, .out = out, .err = err, .pause = [&](std::chrono::milliseconds) {
                         return ++pauses < 7;
                       }};
  EXPECT_EQ(cli::run_command_line(
                {"import", file, "--json", "--env-file", env_file(), "--prefix", kPrefix}, console),
            cli::kProblem);
  EXPECT_THAT(err.str(), HasSubstr("interrupted; the same command goes on from there"));
  const json first = json::parse(out.str());
  EXPECT_EQ(first["done"], false);
  const auto end = run_json({"import", file});
  EXPECT_EQ(end["records"], 1'200);
  EXPECT_LT(end["records_of_this_run"], 1'200);
  EXPECT_THAT(recorded("Placed Order"), SizeIs(1'200));
}

TEST_F(ImportCommand, WrongUseNamesTheOptionAndWhatIsAccepted) {
  const std::string file = write("orders.csv", "order_id,shipping\n1001,4.90\n");
  const auto import = [this](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "import");
    arguments.insert(arguments.end(), {"--env-file", env_file(), "--prefix", kPrefix});
    return run_postbox(std::move(arguments));
  };
  EXPECT_THAT(import({folder_.file("none.csv")}).code, cli::kWrongUse);
  const CommandRun no_pair = import({file, "--map", "order_id"});
  EXPECT_EQ(no_pair.code, cli::kWrongUse);
  EXPECT_THAT(no_pair.err, HasSubstr("--map: 'order_id' has no '='; expected HEADING=MEMBER"));
  EXPECT_THAT(import({file, "--map", "Nr=order_id"}).err,
              HasSubstr("--map: there is no column 'Nr'"));
  EXPECT_THAT(import({file, "--map", "shipping=delivery"}).err,
              HasSubstr("'delivery' is no member of the order; there are: order_id, cart_id"));
  EXPECT_THAT(import({file, "--set", "nothing=1"}).err,
              HasSubstr("--set: 'nothing' is no member of the order"));
  EXPECT_THAT(import({file, "--map", "shipping=order_id"}).err,
              HasSubstr("two columns are order_id"));
  const std::string pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(import({pipe}).err, HasSubstr("is no regular file"));
  EXPECT_THAT(import({write("list.json", "[{}]")}).err,
              HasSubstr("jq -c '.[]' list.json > lines.jsonl"));
  EXPECT_THAT(import({write("empty.csv", "\n\n")}).err, HasSubstr("there is nothing in it"));
  EXPECT_THAT(import({write("other.csv", "a,b\n1,2\n")}).err,
              HasSubstr("no column is called order_id"));
}

TEST_F(ImportCommand, TheRealFileIsImportedAsItIs) {
  if (!std::filesystem::exists(tests::orders_file())) {
    GTEST_SKIP() << "the shared data is not here";
  }
  const std::string file = folder_.file("retail.csv");
  std::filesystem::copy_file(tests::orders_file(), file);
  const auto end = run_json({"import",        file,
                             "--map",         "InvoiceNo=order_id",
                             "--map",         "StockCode=items[].product_id",
                             "--map",         "Description=items[].name",
                             "--map",         "Quantity=items[].quantity",
                             "--map",         "UnitPrice=items[].unit_price",
                             "--map",         "InvoiceDate=placed_at",
                             "--map",         "CustomerID=customer.external_id",
                             "--map",         "Country=properties.country",
                             "--set",         "currency=GBP",
                             "--time-format", "%m/%d/%y %H:%M",
                             "--utc-offset",  "+00:00"},
                            cli::kProblem);
  EXPECT_EQ(end["records"], 66);
  EXPECT_EQ(end["refused"], 5) << "four cancellations, and one without a customer";
  // The sales as the other reader of this file finds them.
  std::ifstream in(file);
  std::vector<std::string> expected;
  for (const auto& [id, order] : tests::read_orders(in)) {
    if (id.starts_with('C') || order.customer.email.empty()) continue;
    std::int64_t pence = 0;
    for (const auto& item : order.items) pence += item.quantity * item.unit_price.count;
    expected.push_back(id + ' ' + json(static_cast<double>(pence) / 100).dump());
  }
  EXPECT_THAT(expected, SizeIs(61));
  EXPECT_EQ(recorded("Placed Order"), expected);
}

// kill -9 at random places: what was imported stays, and nothing is twice.
//   POSTBOX_IMPORT_ROWS=1000000 command_tests --gtest_filter='*KilledTenTimes*'
TEST_F(ImportCommand, KilledTenTimesItEndsWithEachValidRowOnce) {
  const char* asked = std::getenv("POSTBOX_IMPORT_ROWS");
  const std::size_t rows = asked != nullptr ? std::stoul(asked) : 6'000;
  const std::string file = folder_.file("orders.jsonl");
  {
    std::ofstream out(file);
    for (std::size_t i = 0; i < rows; ++i) {
      out << (i % 100 == 7 ? "{}\n" : order_line(std::to_string(i)));
    }
  }
  const std::vector<std::string> command{"import",   file,       "--env-file",
                                         env_file(), "--prefix", kPrefix};
  std::size_t kills = 0;
  for (std::size_t round = 1; round <= 10; ++round) {
    tests::Program import("postbox", command, {}, ".",
                          {.error = folder_.file("log"), .output = "/dev/null"});
    // Until it has brought a bit more there, or has nothing left to bring.
    while (klaviyo_.simulator().stats().events.recorded < round * rows / 12)
      std::this_thread::yield();
    // On a machine that kept this thread from killing it in time, it has ended by itself.
    kills += import.end(SIGKILL) == -SIGKILL ? 1 : 0;
  }
  EXPECT_GT(kills, 0U);
  const auto end = run_json({"import", file}, cli::kProblem);
  EXPECT_EQ(end["records"], rows);
  EXPECT_EQ(end["refused"], (rows + 92) / 100);
  EXPECT_EQ(end["waiting"], 0);
  const std::string refused = read(file + ".rejected");
  EXPECT_EQ(std::ranges::count(refused, '\n'), static_cast<long>((rows + 92) / 100));
  EXPECT_EQ(klaviyo_.simulator().stats().events.recorded, 2 * (rows - (rows + 92) / 100));
  const auto counted = run_json({"status"});
  EXPECT_EQ(counted["totals"]["accepted"], counted["totals"]["delivered"]);
}

}  // namespace
}  // namespace postbox::testing

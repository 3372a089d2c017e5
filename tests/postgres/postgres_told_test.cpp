// What programs in other languages tell by SQL, as far as Klaviyo.
#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>

#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <klaviyo_postgres/told_events.hpp>
#include <klaviyo_postgres/told_table.hpp>
#include <postbox/postgres_backend.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/postgres_fixture.hpp"

namespace postbox::testing {
namespace {

using klaviyo::ToldEvents;
using klaviyo::ToldTable;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class PostgresTold : public Postgres {
 protected:
  void SetUp() override {
    Postgres::SetUp();
    if (IsSkipped()) return;
    append({event(1)});  // makes the tables
    settle_all(claim(), OutcomeKind::kDelivered);
    tracker_.emplace(klaviyo::start(config(), {.http = http_}).value());
    told_.emplace("postgresql" + options_.url.substr(options_.url.find(':')), system_clock());
    EXPECT_EQ(take_in().taken_in, 0U);  // makes the table
  }
  void TearDown() override {
    told_.reset();
    tracker_.reset();
    Postgres::TearDown();
  }

  [[nodiscard]] klaviyo::Config config() const {
    klaviyo::Config config;
    config.api_key = "pk_key";
    for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
    config.engine.outbox.url = options_.url;
    config.engine.outbox.backends.push_back(&postgres_backend());
    config.engine.log = [](LogLevel, std::string_view) {};
    return config;
  }

  static json order(const std::string& id) {
    return {
        {"order_id", id},
        {"currency", "EUR"},
        {"cart_id", "c-" + id},
        {"customer", {{"email", "ines@goldenacre.example"}}},
        {"items",
         {{{"product_id", "P1"}, {"name", "Thé vert"}, {"quantity", 2}, {"unit_price", 1250}}}}};
  }

  static std::string quoted(const std::string& text) {
    std::string all = "'";
    for (const char c : text) all.append(c == '\'' ? 2 : 1, c);
    return all + "'";
  }
  // As a program in another language does. Returns what is wrong.
  std::string tell_text(const std::string& event, const std::string& body) {
    return psql().run("SELECT postbox_tell(" + quoted(event) + ", " + quoted(body) + ")");
  }
  std::string tell(const std::string& event, const json& body) {
    return tell_text(event, body.dump());
  }

  [[nodiscard]] klaviyo::ToldDraft draft(const klaviyo::ToldEvent& told) {
    return klaviyo::draft_told(*tracker_, told);
  }
  ToldTable::Look take_in() {
    return take(told_->take_in([this](const klaviyo::ToldEvent& told) { return draft(told); }));
  }
  std::string count(const std::string& table) {
    return psql().run("SELECT count(*) FROM " + table);
  }

  // Until what was taken in is with Klaviyo.
  std::uint64_t delivered() {
    EXPECT_TRUE(tracker_->flush(30s));
    return take(outbox().stats()).totals.delivered - 1;
  }

  std::shared_ptr<ScriptedHttpClient> http_ = std::make_shared<ScriptedHttpClient>();
  std::optional<Tracker> tracker_;
  std::optional<ToldTable> told_;
};

TEST_F(PostgresTold, AnEventExistsIfItsTransactionWasCommittedAndOnlyThen) {
  auto shop = psql();
  shop.run("CREATE TABLE orders (id text)");
  const auto insert = [&](const std::string& id) {
    shop.run("BEGIN; INSERT INTO orders VALUES ('" + id + "')");
    EXPECT_EQ(shop.run("SELECT postbox_tell('order_placed', " + quoted(order(id).dump()) + ")"),
              "");
  };
  insert("1");
  shop.run("ROLLBACK");
  EXPECT_EQ(take_in().taken_in, 0U);
  insert("2");
  shop.run("COMMIT");
  EXPECT_EQ(take_in().taken_in, 1U);
  EXPECT_EQ(count("postbox_told"), "0");
  EXPECT_EQ(delivered(), 2U) << "Placed Order and Ordered Product";
}

// A server in C++ and one in another language may both report an order.
TEST_F(PostgresTold, ItIsTheSameEventAsTheOneThatIsTracked) {
  const json body = order("7");
  const auto read = klaviyo::from_json<klaviyo::Order>(body);
  ASSERT_TRUE(read);
  http_->hang(true);
  EXPECT_TRUE(tracker_->track_durably(klaviyo::order_placed(*read), 30s));
  EXPECT_EQ(tell("order_placed", body), "");
  EXPECT_EQ(take_in().taken_in, 1U);
  tracker_->look();
  while (count("postbox_inbox") != "0") std::this_thread::yield();
  http_->hang(false);
  EXPECT_EQ(delivered(), 2U);
  EXPECT_EQ(take(outbox().stats()).totals.duplicates, 2U);
}

TEST_F(PostgresTold, AnOrderThatIsToldEndsItsCart) {
  const json cart = {{"cart_id", "c-9"},
                     {"currency", "EUR"},
                     {"customer", {{"email", "ines@goldenacre.example"}}},
                     {"items", order("9").at("items")}};
  EXPECT_EQ(tell("cart_updated", cart), "");
  EXPECT_EQ(take_in().taken_in, 1U);
  (void)delivered();
  EXPECT_EQ(take(outbox().stats()).timers_pending, 1U);
  EXPECT_EQ(tell("order_placed", order("9")), "");
  EXPECT_EQ(take_in().taken_in, 1U);
  (void)delivered();
  EXPECT_EQ(take(outbox().stats()).timers_pending, 0U);
}

// Both are wrong: one for everybody, the other by a rule that only the reader knows.
TEST_F(PostgresTold, WhatIsRefusedStaysWithItsReasonAndIsSaidOnce) {
  json wrong = order("1");
  wrong["items"][0]["quantity"] = 0;
  EXPECT_EQ(tell("order_placed", wrong), "items[0].quantity must be at least 1");
  json strange = order("2");
  strange["customer"]["email"] = "nobody";
  EXPECT_EQ(tell("order_placed", strange), "");
  EXPECT_EQ(tell("order_placed", order("3")), "");
  EXPECT_NE(tell("order place of ines@goldenacre.example", order("4")), "");

  const ToldTable::Look look = take_in();
  EXPECT_EQ(look.taken_in, 1U);
  ASSERT_EQ(look.refused.size(), 3U);
  EXPECT_EQ(look.refused[0].problem, "items[0].quantity must be at least 1");
  EXPECT_EQ(look.refused[1].event, "order_placed");
  EXPECT_THAT(look.refused[1].problem, HasSubstr("customer"));
  EXPECT_EQ(look.refused[2].event, "") << "what people wrote there may be anything";
  for (const auto& each : look.refused) {
    EXPECT_EQ(each.problem.find("nobody"), std::string::npos) << "no value is ever shown";
  }
  EXPECT_EQ(take_in().refused.size(), 3U) << "until the log has them";
  EXPECT_TRUE(told_->note(look.refused));
  EXPECT_TRUE(take_in().refused.empty());
  EXPECT_EQ(count("postbox_told"), "3");

  // Its operator lets it be read again, and then mends it.
  psql().run("UPDATE postbox_told SET problem = NULL WHERE body LIKE '%nobody%'");
  EXPECT_TRUE(told_->note(take_in().refused));
  psql().run(
      "UPDATE postbox_told SET problem = NULL, body = replace(body, '\"nobody\"',"
      " '\"ines@goldenacre.example\"') WHERE body LIKE '%nobody%'");
  EXPECT_EQ(take_in().taken_in, 1U);
  psql().run("UPDATE postbox_told SET told_at = told_at - 31 * 86400000::bigint");
  EXPECT_EQ(take_in().expired, 2U);
  EXPECT_EQ(count("postbox_told"), "0");
  EXPECT_EQ(delivered(), 4U);
}

TEST_F(PostgresTold, OneServerTakesInAtATimeAndAFailureChangesNothing) {
  EXPECT_EQ(tell("order_placed", order("1")), "");
  EXPECT_EQ(tell("order_placed", order("2")), "");
  auto other = psql();
  other.run("BEGIN");
  other.run("SELECT pg_advisory_xact_lock('postbox_told'::regclass::oid::int, 0)");
  EXPECT_EQ(take_in().taken_in, 0U);
  other.run("COMMIT");

  int calls = 0;
  expect_error(told_->take_in([&](const klaviyo::ToldEvent& told) {
    if (++calls == 2) throw std::bad_alloc();
    return draft(told);
  }),
               ErrorCode::kInternal);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(count("postbox_inbox"), "0");
  EXPECT_EQ(count("postbox_told"), "2");
  EXPECT_EQ(take_in().taken_in, 2U);
  EXPECT_EQ(delivered(), 4U);
}

// As in the child of a fork().
TEST_F(PostgresTold, AClosedTrackerLeavesTheRows) {
  EXPECT_EQ(tell("order_placed", order("1")), "");
  const ToldTable::Look look = take(told_->take_in([](const klaviyo::ToldEvent&) {
    return klaviyo::ToldDraft{.draft = EventDraft{TrackResult(TrackStatus::kClosed)}};
  }));
  EXPECT_EQ(look.taken_in, 0U);
  EXPECT_FALSE(look.has_more);
  EXPECT_EQ(count("postbox_told WHERE problem IS NULL"), "1");
  EXPECT_EQ(take_in().taken_in, 1U);
  EXPECT_EQ(delivered(), 2U);
}

TEST_F(PostgresTold, ARowThatTheDatabaseRefusesHoldsUpNoOther) {
  psql().run(
      "CREATE FUNCTION no_seven() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF position('\"7\"'::bytea IN NEW.payload) > 0 THEN"
      "  RAISE EXCEPTION 'not for ines@goldenacre.example'; END IF;"
      " RETURN NEW; END $$;"
      "CREATE TRIGGER no_seven BEFORE INSERT ON postbox_inbox"
      " FOR EACH ROW EXECUTE FUNCTION no_seven()");
  for (const char* id : {"6", "7", "8"}) EXPECT_EQ(tell("order_placed", order(id)), "");
  const ToldTable::Look look = take_in();
  EXPECT_EQ(look.taken_in, 2U);
  ASSERT_EQ(look.refused.size(), 1U);
  EXPECT_THAT(look.refused[0].problem, HasSubstr("refused by a type, a constraint or a trigger"));
  EXPECT_THAT(look.refused[0].problem, Not(HasSubstr("ines")));
  EXPECT_EQ(delivered(), 4U);

  psql().run("DROP TRIGGER no_seven ON postbox_inbox; UPDATE postbox_told SET problem = NULL");
  EXPECT_EQ(take_in().taken_in, 1U);
  EXPECT_EQ(delivered(), 6U);
}

// A server that is started before its operator has set the key, and one from which it was taken.
TEST_F(PostgresTold, WhatIsToldWaitsForAKey) {
  klaviyo::Config without = config();
  without.api_key.clear();
  auto tracker = klaviyo::start(without, {.http = http_});
  ASSERT_TRUE(tracker);
  EXPECT_FALSE(tracker->is_ready());
  EXPECT_TRUE(tracker_->is_ready());
  std::atomic<bool> has_said = false;
  auto events = ToldEvents::start(*tracker, options_.url, [&](LogLevel, std::string_view line) {
    if (line.find("KLAVIYO_API_KEY") != std::string_view::npos) has_said = true;
  });
  ASSERT_TRUE(events);
  EXPECT_EQ(tell("order_placed", order("1")), "");
  while (!has_said) std::this_thread::yield();
  EXPECT_EQ(tracker->stats().offered, 0U);
  EXPECT_EQ(count("postbox_told WHERE problem IS NULL"), "1");
  EXPECT_EQ(take_in().taken_in, 1U) << "another server has a key";
  EXPECT_EQ(delivered(), 2U);
}

// As role.sql and its last lines have it.
TEST_F(PostgresTold, RolesThatOwnNothingTellAndTakeIn) {
  const std::string schema = psql().run("SELECT current_schema()");
  const auto bin = PostgresServer::folder_of_programs().value();
  const auto script = folder_.path() / "role.sql";
  std::filesystem::copy_file(POSTBOX_SOURCE_DIR "/packaging/postgres/role.sql", script);
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(script, std::filesystem::perms(0644));
  ASSERT_TRUE(PostgresServer::run({bin / "psql", "-q", "-h", postgres_server().folder(), "-U",
                                   "postgres", "--set=role=sender_" + schema,
                                   "--set=schema=" + schema, "--file=" + script.string()}));
  psql().run("CREATE ROLE shop_" + schema + " LOGIN; GRANT USAGE ON SCHEMA " + schema +
             " TO shop_" + schema + "; GRANT INSERT ON postbox_inbox, postbox_told TO shop_" +
             schema);
  const auto as = [&](const std::string& role) {
    std::string url = options_.url;
    return url.replace(url.find("user=postgres"), 13, "user=" + role + schema);
  };
  EXPECT_EQ(Psql(as("shop_"))
                .run("SELECT postbox_tell('order_placed', " + quoted(order("1").dump()) + ")"),
            "");
  const std::string url = as("sender_");
  ToldTable told("postgresql" + url.substr(url.find(':')), system_clock());
  const auto look = told.take_in([this](const klaviyo::ToldEvent& each) { return draft(each); });
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ(look->taken_in, 1U);
  EXPECT_EQ(delivered(), 2U);
}

TEST_F(PostgresTold, WhatIsToldWithoutATimeHappenedWhenItWasTold) {
  EXPECT_EQ(tell("order_placed", order("1")), "");
  psql().run("UPDATE postbox_told SET told_at = 1795000000000");
  EXPECT_EQ(take_in().taken_in, 1U);
  EXPECT_EQ(psql().run("SELECT count(*) FROM postbox_inbox WHERE position('" +
                       std::string("\"time\":\"2026-11-18T") + "'::bytea IN payload) > 0"),
            "2");
}

TEST_F(PostgresTold, TheThreadTakesInWhatComesAndSaysWhatIsRefused) {
  std::mutex mutex;
  std::string log;
  const auto sink = [&](LogLevel, std::string_view line) {
    const std::lock_guard lock(mutex);
    log += std::string(line) + '\n';
  };
  expect_error(ToldEvents::start(*tracker_, "sqlite:x"), ErrorCode::kInvalidConfig);
  auto events = ToldEvents::start(*tracker_, options_.url, sink);
  ASSERT_TRUE(events) << events.error().message;
  EXPECT_EQ(tell("order_placed", order("1")), "");
  EXPECT_NE(tell_text("order_placed", "{"), "");
  events->look();
  while (count("postbox_told WHERE problem IS NULL OR NOT noted") != "0") std::this_thread::yield();
  EXPECT_EQ(delivered(), 2U);
  const auto has_line = [&] {
    const std::lock_guard lock(mutex);
    return log.find("told event refused: row 2 of postbox_told, order_placed: body must be JSON") !=
           std::string::npos;
  };
  while (!has_line()) std::this_thread::yield();
}

TEST_F(PostgresTold, TheDatabaseKnowsTheEventsThatTheReaderKnows) {
  std::string known;
  for (const auto& [event, shape] : klaviyo::told_events()) {
    known += std::string(known.empty() ? "" : ",") + std::string(event) + ':' + std::string(shape);
  }
  EXPECT_EQ(psql().run("SELECT string_agg(event || ':' || shape, ',') FROM postbox_told_events()"),
            known);
}

// docs/json.md: the example of each shape, in the order of the page.
std::vector<json> examples_of_json() {
  std::ifstream file(POSTBOX_SOURCE_DIR "/docs/json.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  std::vector<json> examples;
  constexpr std::string_view kBegin = "```json\n";
  for (auto at = page.find(kBegin); at != std::string::npos; at = page.find(kBegin, at)) {
    at += kBegin.size();
    const auto end = page.find("```", at);
    examples.push_back(json::parse(page.substr(at, end - at)));
    at = end;
  }
  return examples;
}

// Changes of an example: each member is missing, and has a value of another type.
std::vector<std::pair<std::string, json>> spoiled(const json& example) {
  std::vector<std::string> places;
  const json leaves = example.flatten();
  for (const auto& [pointer, value] : leaves.items()) {
    for (std::size_t end = pointer.size(); end != std::string::npos && end > 0;) {
      places.push_back(pointer.substr(0, end));
      end = pointer.rfind('/', end - 1);
    }
  }
  std::ranges::sort(places);
  places.erase(std::ranges::unique(places).begin(), places.end());
  std::vector<std::pair<std::string, json>> all;
  for (const std::string& place : places) {
    const json::json_pointer pointer(place);
    for (const json& value :
         {json(nullptr), json(true), json(7), json(-7), json(1.5), json(""), json(" "), json("x"),
          json::array(), json::array({7, 7}), json::object()}) {
      json changed = example;
      changed[pointer] = value;
      all.emplace_back(place + " = " + value.dump(), std::move(changed));
    }
  }
  return all;
}

// What the database leaves to the reader: what lies deeper, and what depends on other members.
bool is_for_the_reader(const std::string& change) {
  return std::ranges::any_of(
      std::array{"/discount/", "/billing_address/", "/shipping_address/", "/properties/",
                 "/location/", "/unset", "/categories", "/channels", "/plan_id", "/exact_price",
                 "cart_updated/currency", "product_viewed/currency", "custom_event/currency"},
      [&](const char* inside) { return change.find(inside) != std::string::npos; });
}

// A refusal by the database is one by the reader, and what is missing or of another type is one by
// both.
TEST_F(PostgresTold, TheDatabaseRefusesNothingThatTheReaderTakes) {
  const std::vector<json> examples = examples_of_json();
  const std::vector<std::string> events{"order_placed", "cart_updated",   "subscription_started",
                                        "identify",     "product_viewed", "custom_event",
                                        "consent"};
  ASSERT_EQ(examples.size(), events.size());
  std::size_t checked = 0;
  auto database = psql();
  for (std::size_t i = 0; i < events.size(); ++i) {
    for (const auto& [place, changed] : spoiled(examples[i])) {
      const std::string body = changed.dump();
      const std::string by_database =
          database.run("SELECT postbox_told_problem('" + events[i] + "', " + quoted(body) + ")");
      const std::string by_reader =
          draft({.event = events[i], .body = body, .told_at = system_clock()->wall_now()}).problem;
      if (!by_database.empty()) {
        EXPECT_NE(by_reader, "") << events[i] << place << ": " << by_database;
      }
      ++checked;
      const bool is_plain = by_reader.find("is required") != std::string::npos ||
                            by_reader.find(", found ") != std::string::npos;
      if (is_plain && !is_for_the_reader(events[i] + place) && by_database.empty()) {
        ADD_FAILURE() << events[i] << place << " is taken by the database: " << by_reader;
      }
    }
  }
  EXPECT_GT(checked, 1'000U);
}

}  // namespace
}  // namespace postbox::testing

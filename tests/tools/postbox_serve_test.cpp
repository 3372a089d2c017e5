// The command `postbox serve`: what its page shows, and what it does, beside a running server.

#include <csignal>
#include <fstream>

#include "serve_page.hpp"
#include "support/program.hpp"

namespace postbox::testing {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Without the ages, which differ from one look to the next.
json ageless(json events) {
  for (auto& event : events) {
    for (const char* age : {"age_ms", "dead_ms", "first_attempt_ms"}) event.erase(age);
  }
  return events;
}

class ServeCommand : public ServePage {
 protected:
  void die(const std::string& order) {
    refuse();
    buy(order);
    work();
  }
  json list(json asked) { return ask("list", std::move(asked))["events"]; }
  json family(const json& status, const std::string& name) {
    for (const auto& one : status["status"]["families"]) {
      if (one["family"] == name) return one;
    }
    ADD_FAILURE() << "there is no family " << name;
    return {};
  }
};

TEST_F(ServeCommand, ShowsWhatStatusAndFlagsShow) {
  start();
  die("1001");
  serve();
  json shown = status();
  json expected = run_json({"status", "--max-wait", "2h"}, cli::kProblem);
  for (json* all : {&shown["status"], &expected}) {
    for (auto& one : (*all)["families"]) one.erase("oldest_ms");
  }
  EXPECT_EQ(shown["status"], expected);
  EXPECT_EQ(shown["flags"], run_json({"flags"})["flags"]);
  EXPECT_THAT(shown["status"]["problems"], ElementsAre(HasSubstr("2 dead letters")));
  EXPECT_TRUE(shown["server"].is_null());
  EXPECT_TRUE(shown["rates"].is_null()) << "there is one look";
  EXPECT_THAT(shown["history"], IsEmpty());
}

TEST_F(ServeCommand, OneLookServesAllWhoAskWithinASecond) {
  start();
  serve();
  const json first = status();
  buy("1001");
  work();
  const json again = status();
  EXPECT_EQ(again["status"]["totals"], first["status"]["totals"]);
}

TEST_F(ServeCommand, ListsShowsAndCountsDeadLetters) {
  start();
  die("1001");
  die("1002");
  serve();
  const json events = list({{"kind", "dead"}});
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_EQ(ageless(events), ageless(run_json({"dead", "list"})["events"]))
      << "as the command shows them";
  EXPECT_THAT(list({{"kind", "dead"}, {"metric", "Placed Order"}}), SizeIs(2));
  EXPECT_THAT(list({{"kind", "dead"}, {"reason", "HTTP 500"}}), IsEmpty());
  EXPECT_THAT(list({{"kind", "dead"}, {"family", "cart"}}), IsEmpty());
  EXPECT_THAT(list({{"kind", "dead"}, {"older_than", "72h"}}), IsEmpty());
  EXPECT_THAT(list({{"kind", "dead"}, {"after", events[1]["id"]}}), SizeIs(2));
  EXPECT_EQ(ask("count", {{"kind", "dead"}}),
            (json{{"meant", 4}, {"more", false}, {"part", false}}));

  json one = ask("show", {{"kind", "dead"}, {"id", events[0]["id"]}});
  EXPECT_TRUE(one["found"]);
  EXPECT_EQ(one["event"]["properties"]["OrderId"], "1001");
  EXPECT_EQ(one["event"]["profile"]["email"], "[masked]");
  EXPECT_FALSE(ask("show", {{"kind", "dead"}, {"id", 4'711}})["found"]);
}

TEST_F(ServeCommand, ReplaysOneAndTheServerDeliversIt) {
  start();
  die("1001");
  serve();
  answer(202);
  const json events = list({{"kind", "dead"}});
  EXPECT_EQ(ask("replay", {{"kind", "dead"}, {"id", events[0]["id"]}})["done"], 1);
  work(10s);
  EXPECT_THAT(list({{"kind", "dead"}}), SizeIs(1));
  EXPECT_EQ(run_json({"status"}, cli::kProblem)["totals"]["delivered"], 1);
  EXPECT_EQ(ask("replay", {{"kind", "dead"}, {"id", events[0]["id"]}})["done"], 0) << "it is gone";
}

TEST_F(ServeCommand, ReplaysAllThatMatchAlsoAsHistory) {
  start();
  die("1001");
  die("1002");
  serve();
  http_->hang(true);
  EXPECT_EQ(
      ask("replay", {{"kind", "dead"}, {"metric", "Placed Order"}, {"backfill", true}})["done"], 2);
  const auto families = run_json({"status", "--max-wait", "2h"}, cli::kProblem)["families"];
  for (const auto& one : families) {
    if (one["family"] == "purchase history") {
      EXPECT_EQ(one["waiting"], 2);
    }
    if (one["family"] == "purchase") {
      EXPECT_EQ(one["dead"], 2);
    }
  }
}

TEST_F(ServeCommand, RemovesOneAndAllThatMatch) {
  start();
  die("1001");
  die("1002");
  serve();
  const json events = list({{"kind", "dead"}});
  EXPECT_EQ(ask("purge", {{"kind", "dead"}, {"id", events[0]["id"]}})["done"], 1);
  EXPECT_EQ(ask("purge", {{"kind", "dead"}, {"metric", "Ordered Product"}})["done"], 2);
  EXPECT_THAT(list({{"kind", "dead"}}), SizeIs(1));
  EXPECT_EQ(run_json({"status"}, cli::kProblem)["totals"]["purged"], 3);
}

TEST_F(ServeCommand, HeldEventsAreListedAndRemovedAndAreNotReplayed) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  stop();
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  start();
  work();
  serve();
  EXPECT_THAT(list({{"kind", "held"}}), SizeIs(2));
  EXPECT_EQ(ageless(list({{"kind", "held"}})), ageless(run_json({"held", "list"})["events"]));
  EXPECT_THAT(ask("replay", {{"kind", "held"}}, 400)["error"], HasSubstr("kind"));
  EXPECT_EQ(ask("purge", {{"kind", "held"}, {"metric", "Placed Order"}})["done"], 1);
  EXPECT_THAT(list({{"kind", "held"}}), SizeIs(1));
}

// By the flag of here, that of the server, and what the family is.
TEST_F(ServeCommand, SaysWhyEventsAreHeldAndWhatSendsThem) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  serve();
  EXPECT_THAT(status()["held"], IsEmpty());
  const auto held_with = [this](const char* flag, bool is_reloaded) {
    set("KLAVIYO_PURCHASE_EVENTS_ENABLED", flag);
    if (is_reloaded) {
      start();
      work();
    }
    serve();  // it looks once a second at most
    const json held = status()["held"];
    EXPECT_THAT(held, SizeIs(1));
    EXPECT_EQ(held[0]["family"], "purchase");
    EXPECT_EQ(held[0]["held"], 2);
    return held[0];
  };
  json held = held_with("false", false);
  EXPECT_EQ(held["why"],
            "PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is false here, and the server goes by true");
  EXPECT_THAT(held["to_do"], HasSubstr("Reload the server"));
  held = held_with("false", true);
  EXPECT_EQ(held["why"], "PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is false");
  EXPECT_THAT(held["to_do"], HasSubstr("Set PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED=true and reload"));
  EXPECT_THAT(held["to_do"], HasSubstr("postbox held release --family \"purchase\" --yes"));
  held = held_with("1%", true);
  EXPECT_EQ(held["why"],
            "PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is 1%, and they are of profiles outside of that "
            "share");
  held = held_with("true", false);
  EXPECT_EQ(held["why"],
            "PBT_KLAVIYO_PURCHASE_EVENTS_ENABLED is true here, and the server goes by 1%");
}

TEST_F(ServeCommand, FollowsAChangedEnvironment) {
  start();
  http_->hang(true);
  buy("1001");
  work();
  serve();
  EXPECT_THAT(list({{"kind", "held"}}), IsEmpty());
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  EXPECT_THAT(list({{"kind", "held"}}), SizeIs(2));
  const json shown = status();
  EXPECT_EQ(family(shown, "purchase")["held"], 2);
  EXPECT_THAT(shown["status"]["problems"], ElementsAre(HasSubstr("reload the server")));
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "perhaps");
  EXPECT_THAT(status(503)["error"], HasSubstr("'perhaps'"));
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "true");
  EXPECT_THAT(list({{"kind", "held"}}), IsEmpty());
}

TEST_F(ServeCommand, FindsTheEventsOfAnOrder) {
  start();
  die("1001");
  die("1002");
  serve();
  const json found = ask("order", {{"order", "1002"}});
  EXPECT_EQ(found["looked_at"], 4);
  EXPECT_TRUE(found["go_on_after"].is_null());
  ASSERT_THAT(found["events"], SizeIs(2));
  EXPECT_EQ(found["events"][0]["state"], "dead");
  EXPECT_THAT(found["events"][0]["remark"], HasSubstr("HTTP 400"));
  EXPECT_THAT(ask("order", {{"order", "1003"}})["events"], IsEmpty());
  EXPECT_THAT(ask("order", {{"order", "ines@goldenacre.example"}})["events"], IsEmpty());
}

TEST_F(ServeCommand, ARequestLooksAtAPartOfALargeOutbox) {
  start();
  http_->hang(true);
  for (int i = 0; i < 11'000; ++i) {
    buy(std::to_string(i));
    if (i % 1'000 == 0) work(100ms);
  }
  work();
  serve();
  const json first = ask("order", {{"order", "10999"}});
  EXPECT_EQ(first["looked_at"], 20'000);
  EXPECT_THAT(first["events"], IsEmpty());
  const json second = ask("order", {{"order", "10999"}, {"after", first["go_on_after"]}});
  EXPECT_EQ(second["looked_at"], 2'000);
  EXPECT_THAT(second["events"], SizeIs(2));
  EXPECT_TRUE(second["go_on_after"].is_null());
}

TEST_F(ServeCommand, AListAndAChangeAreOfAPartAtATime) {
  start();
  http_->hang(true);
  for (int i = 0; i < 600; ++i) buy(std::to_string(i));
  work();
  stop();
  set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "false");
  serve();
  const json listed = ask("list", {{"kind", "held"}});
  EXPECT_THAT(listed["events"], SizeIs(50));
  EXPECT_TRUE(listed["more"]);
  const json orders = {{"kind", "held"}, {"metric", "Placed Order"}};
  EXPECT_EQ(ask("count", orders), (json{{"meant", 100}, {"more", true}, {"part", true}}));
  EXPECT_EQ(ask("purge", orders)["done"], 100);
  const json all = {{"kind", "held"}};
  EXPECT_EQ(ask("count", all), (json{{"meant", 1'100}, {"more", false}, {"part", false}}));
  EXPECT_EQ(ask("purge", all)["done"], 1'100);
  EXPECT_EQ(ask("count", all)["meant"], 0);
}

TEST_F(ServeCommand, HostileTextsAreTextsInTheJson) {
  start();
  const std::string script = "<script>alert('1')</script>\"\\\x07\xC2\x85\xE2\x80\xAE";
  answer(400, json({{"errors",
                     {{{"code", "<b>" + script},
                       {"detail", script},
                       {"source", {{"pointer", "/data/" + script}}}}}}})
                  .dump());
  buy(script);
  work();
  serve();
  const json events = list({{"kind", "dead"}});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_THAT(events[0]["key"], HasSubstr("<script>alert('1')</script>\"\\"));
  EXPECT_EQ(ageless(events), ageless(run_json({"dead", "list"})["events"]));
  const auto raw = client().Post("/api/list", allowed(), R"({"kind":"dead"})", "application/json");
  EXPECT_EQ(raw->get_header_value("Content-Type"), "application/json");
  for (const std::string& text : {script, std::string("\xFF\xFE"), std::string(60'000, '"')}) {
    for (const char* name : {"family", "metric", "reason", "older_than"}) {
      const auto answer = client().Post("/api/list", allowed(),
                                        json({{"kind", "dead"}, {name, text}})
                                            .dump(-1, ' ', true, json::error_handler_t::replace),
                                        "application/json");
      ASSERT_TRUE(answer);
      EXPECT_THAT((std::array{200, 400, 413}), ::testing::Contains(answer->status)) << name;
    }
  }
}

TEST_F(ServeCommand, WhatIsAskedWronglyIsNamed) {
  start();
  serve();
  EXPECT_THAT(ask("list", json::array(), 400)["error"], HasSubstr("JSON object"));
  EXPECT_THAT(ask("list", json::object(), 400)["error"], HasSubstr("kind"));
  EXPECT_THAT(ask("purge", {{"kind", "all"}}, 400)["error"], HasSubstr("kind"));
  EXPECT_THAT(ask("purge", {{"kind", "dead"}, {"id", "3"}}, 400)["error"], HasSubstr("id"));
  EXPECT_THAT(ask("purge", {{"kind", "dead"}, {"id", 1.5}}, 400)["error"], HasSubstr("id"));
  EXPECT_THAT(ask("purge", {{"kind", "dead"}, {"family", 7}}, 400)["error"], HasSubstr("family"));
  EXPECT_THAT(ask("purge", {{"kind", "dead"}, {"family", "tea"}}, 400)["error"],
              HasSubstr("expected one of purchase"));
  EXPECT_THAT(ask("list", {{"kind", "dead"}, {"older_than", "soon"}}, 400)["error"],
              HasSubstr("older_than: 'soon'"));
  EXPECT_THAT(ask("order", json::object(), 400)["error"], HasSubstr("order"));
  EXPECT_THAT(ask("show", {{"kind", "dead"}}, 400)["error"], HasSubstr("id"));
  const auto deep =
      client().Post("/api/list", allowed(), std::string(60'000, '['), "application/json");
  EXPECT_EQ(deep->status, 400);
}

TEST_F(ServeCommand, RevealShowsWhatIsPersonal) {
  start();
  die("ines@goldenacre.example");
  serve({}, true);
  const json events = list({{"kind", "dead"}});
  EXPECT_EQ(events[0]["key"], "ines@goldenacre.example");
  const json one = ask("show", {{"kind", "dead"}, {"id", events[0]["id"]}});
  EXPECT_EQ(one["event"]["profile"]["email"], "ines@goldenacre.example");
}

TEST_F(ServeCommand, AnOutboxThatIsGoneIsAnErrorAndNotTheEnd) {
  start();
  serve();
  stop();
  std::filesystem::remove(outbox_file());
  set("VITE_APP_URL", "https://other.goldenacre.example");
  EXPECT_THAT(status(503)["error"], HasSubstr("there is no outbox"));
  start();
  work();
  EXPECT_EQ(status()["status"]["totals"]["accepted"], 0);
}

using ServeProgram = ServeCommand;

TEST_F(ServeProgram, PrintsTheAddressWithATokenOfItsOwn) {
  start();
  const std::string first = run({"serve"}).out;
  EXPECT_THAT(first, ::testing::MatchesRegex("http://127.0.0.1:[0-9]+/#token=[0-9a-f]{64}\n.*\n"));
  EXPECT_NE(first.substr(first.find("token=")), run({"serve"}).out.substr(first.find("token=")));
  const json as_json = json::parse(run({"serve", "--json"}).out);
  EXPECT_THAT(as_json["url"], HasSubstr("#token="));
}

TEST_F(ServeProgram, EndsAtASignal) {
  start();
  for (const int signal : {SIGINT, SIGTERM}) {
    tests::Program program("postbox", {"serve", "--env-file", env_file(), "--prefix", kPrefix}, {},
                           folder_.path(), {.error = folder_.file("log")});
    EXPECT_EQ(program.end(signal), cli::kDone) << "the first line has been read";
  }
}

TEST_F(ServeProgram, APortThatIsTakenIsAProblem) {
  start();
  serve();
  const CommandRun taken = run({"serve", "--port", std::to_string(port_)});
  EXPECT_EQ(taken.code, cli::kProblem);
  EXPECT_THAT(taken.err, HasSubstr("--port: " + std::to_string(port_)));
  EXPECT_EQ(run({"serve", "--port", "70000"}).code, cli::kWrongUse);
}

TEST_F(ServeProgram, MakesNoOutbox) {
  EXPECT_THAT(run({"serve"}).err, HasSubstr("there is no outbox"));
  EXPECT_FALSE(std::filesystem::exists(outbox_file()));
}

}  // namespace
}  // namespace postbox::testing

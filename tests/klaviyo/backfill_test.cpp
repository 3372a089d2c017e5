// Backfills and dead letters by the whole of klaviyo::start(): flags, requests, replays.
#include <gmock/gmock.h>

#include <fstream>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/klaviyo_test_data.hpp"
#include "support/temporary_folder.hpp"

namespace {

using klaviyo::backfill;
using klaviyo_test::cart;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::parse;
using klaviyo_test::records_of;
using postbox::testing::ScriptedHttpClient;

TEST(KlaviyoBackfill, MayShareABulkRequestWithWhatIsNone) {
  auto records = records_of(backfill(klaviyo::order_placed(order())));
  records.push_back(records_of(klaviyo::cart_updated(cart()))[0]);
  const Json body = parse(klaviyo_test::request_for(records).body);
  const Json groups = body["data"]["attributes"]["events-bulk-create"]["data"];
  ASSERT_EQ(groups.size(), 1U);
  const Json events = groups[0]["attributes"]["events"]["data"];
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0]["attributes"]["backfill"], true);
  EXPECT_EQ(events[2]["attributes"]["backfill"], true);
  EXPECT_FALSE(events[3]["attributes"].contains("backfill"));
}

TEST(KlaviyoBackfill, AWrongEventIsRejectedAsEver) {
  klaviyo::Order empty = order();
  empty.items.clear();
  EXPECT_EQ(klaviyo_test::violations_of(backfill(klaviyo::order_placed(empty))),
            klaviyo_test::violations_of(klaviyo::order_placed(empty)));
  EXPECT_TRUE(records_of(backfill(klaviyo::order_placed(empty))).empty());
}

// A shop whose settings are a file.
class KlaviyoShop : public ::testing::Test {
 protected:
  void start(const std::string& flag) {
    write(flag);
    auto config = klaviyo::Config::from_env(folder_.file("env"));
    ASSERT_TRUE(config) << config.error().message;
    config->engine.log = [this](postbox::LogLevel, std::string_view line) {
      lines.emplace_back(line);
    };
    auto started = klaviyo::start(*config, {.http = http, .clock = clock, .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }
  void reload(const std::string& flag) {
    write(flag);
    const auto reloaded = tracker->reload();
    ASSERT_TRUE(reloaded) << reloaded.error().message;
  }
  void work() {
    for (int step = 0; step < 10; ++step) {
      const auto next = tracker->run_once();
      const auto now = clock->now();
      if (next > now) clock->advance(std::min<std::chrono::nanoseconds>(next - now, kStep));
    }
  }
  [[nodiscard]] std::vector<Json> sent() const {
    std::vector<Json> bodies;
    for (const auto& request : http->requests()) {
      bodies.push_back(parse(request.body)["data"]["attributes"]);
    }
    return bodies;
  }

  std::shared_ptr<ScriptedHttpClient> http = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<postbox::testing::ManualClock> clock =
      std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  std::vector<std::string> lines;
  std::optional<postbox::Tracker> tracker;

 private:
  static constexpr std::chrono::milliseconds kStep{10};

  void write(const std::string& flag) const {
    std::ofstream(folder_.file("env")) << "KLAVIYO_API_KEY=pk_0123456789\nPOSTBOX_OUTBOX=memory:\n"
                                       << "KLAVIYO_CART_QUIET_TIME=0s\n"
                                       << "KLAVIYO_CART_ABANDONED_ENABLED=" << flag << "\n";
  }

  postbox::tests::TemporaryFolder folder_;
};

TEST_F(KlaviyoShop, ABackfillFollowsTheFlagOfItsFamily) {
  start("true");
  tracker->track(backfill(klaviyo::cart_updated(cart())));
  work();
  ASSERT_EQ(sent().size(), 1U);
  EXPECT_EQ(sent()[0]["backfill"], true);

  auto next = cart();
  next.version = 2;
  http->hang(true);
  tracker->track(backfill(klaviyo::cart_updated(next)));
  reload("false");
  work();
  EXPECT_EQ(sent().size(), 1U) << "it is held";
  EXPECT_EQ(tracker->stats().held, 1U);
  EXPECT_EQ(tracker->track(backfill(klaviyo::cart_updated(next))).status(),
            postbox::TrackStatus::kDisabled);

  http->hang(false);
  reload("true");
  work();
  EXPECT_EQ(sent().size(), 2U);
  EXPECT_THAT(lines, ::testing::Contains("Klaviyo configuration changed: "
                                         "KLAVIYO_CART_ABANDONED_ENABLED true -> false"));
  EXPECT_EQ(std::ranges::count_if(
                lines,
                [](const auto& line) {
                  return line.find("ABANDONED_ENABLED true -> false") != std::string::npos ||
                         line.find("ABANDONED_ENABLED false -> true") != std::string::npos;
                }),
            2)
      << "each change is listed once";
}

TEST_F(KlaviyoShop, ADeadLetterIsSentAgainAsABackfillWithItsUniqueId) {
  start("true");
  http->on_request([](const postbox::HttpRequest&) {
    return ScriptedHttpClient::answer(
        400,
        R"({"errors": [{"code": "invalid", "title": "Invalid input.", "detail": "Not a number.",
                 "source": {"pointer": "/data/attributes/value"}}]})");
  });
  tracker->track(klaviyo::cart_updated(cart()));
  work();
  http->on_request([](const postbox::HttpRequest&) { return ScriptedHttpClient::answer(202); });
  const auto letters = tracker->dead_letters({}, postbox::EventHandle{0}, 10).value();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].type, "Cart Updated");
  EXPECT_EQ(letters[0].pointer, "/data/attributes/value");

  EXPECT_EQ(tracker->replay({.type = "Cart Updated"}, {.backfill = true}).value(), 1U);
  work();
  ASSERT_EQ(sent().size(), 2U);
  Json expected = sent()[0];
  expected["backfill"] = true;
  EXPECT_EQ(sent()[1], expected);
  EXPECT_EQ(tracker->stats().delivered, 1U);
}

TEST_F(KlaviyoShop, TheGuidesExample) {
  start("true");
  http->on_request([](const postbox::HttpRequest&) { return ScriptedHttpClient::answer(400); });
  tracker->track(klaviyo::cart_updated(cart()));
  work();
  std::string shown;
  const auto show = [&shown](const std::string& line) { shown += line + "\n"; };
  // What docs/operations.md shows.
  const auto letters = tracker->dead_letters({.reason = "400"}, postbox::EventHandle{0}, 100);
  if (!letters) return show(letters.error().message);
  for (const auto& letter : *letters) show(letter.type + ": " + letter.reason);

  // The shop has been mended: send the carts again, and let no flow start for what is old by now.
  const auto replayed = tracker->replay({.type = "Cart Updated"}, {.backfill = true});
  // The rest will never be right.
  const auto purged = tracker->purge({.dead_for = std::chrono::hours(24)});
  EXPECT_EQ(shown, "Cart Updated: HTTP 400 (no reason given)\n");
  EXPECT_EQ(replayed.value(), 1U);
  EXPECT_EQ(purged.value(), 0U);
}

}  // namespace

// What an operator does with dead letters, by the whole engine.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <postbox/http_client.hpp>
#include <postbox/operator.hpp>
#include <postbox/outbox.hpp>

#include "support/engine_harness.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::tests {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeadLettersTest : public EngineHarness {
 protected:
  void answer(int status) {
    http->on_request([status](const HttpRequest&) { return ScriptedHttpClient::answer(status); });
  }

  // Each of them is refused, one after another.
  void bury(const std::vector<std::string>& texts) {
    if (!tracker) start();
    answer(400);
    for (const std::string& text : texts) {
      track(text);
      run_for(seconds(1));
    }
    answer(202);
    sent_before = bodies().size();
  }

  // What was sent since the last burial.
  std::vector<std::string> sent() const {
    const auto all = bodies();
    return {all.begin() + static_cast<std::ptrdiff_t>(sent_before), all.end()};
  }

  std::vector<std::string> texts(const DeadLetterQuery& query = {}, std::size_t max = 1000) {
    std::vector<std::string> found;
    const auto letters = tracker->dead_letters(query, EventHandle{0}, max).value();
    for (const TypedDeadLetter& letter : letters) {
      found.push_back(letter.record.payload);
    }
    return found;
  }

  std::size_t sent_before = 0;
};

TEST_F(DeadLettersTest, AnEventThatIsDamagedOnTheDiskIsReportedAndNotSent) {
  const TemporaryFolder folder;
  const auto open_file = [&] {
    outbox = open_outbox({.url = "sqlite:" + folder.file("outbox.db")}, clock).value();
  };
  open_file();
  start();
  hang(true);
  track("order 1");
  track("order 2");
  run_for(seconds(1));
  tracker.reset();
  outbox.reset();
  std::string bytes;
  {
    std::ifstream file(folder.file("outbox.db"), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  bytes.replace(bytes.find("order 1"), 7, "order 9");
  std::ofstream(folder.file("outbox.db"), std::ios::binary | std::ios::trunc) << bytes;
  open_file();
  restart();
  hang(false);
  run_for(seconds(1));
  EXPECT_THAT(bodies(), ElementsAre("order 2\n"));
  EXPECT_THAT(texts(), ElementsAre("order 9"));
  EXPECT_EQ(lines.count("were damaged on the disk"), 1U) << lines.joined();
  expect_conservation();
  tracker.reset();
  outbox.reset();
}

TEST_F(DeadLettersTest, SayWhatHappenedAndWhen) {
  start();
  answer(503);
  track("order 1");
  run_for(milliseconds(1));
  answer(400);
  run_for(hours(1));
  const auto letter = tracker->dead_letters({}, EventHandle{0}, 10).value().at(0);
  EXPECT_EQ(letter.type, "order");
  EXPECT_EQ(letter.reason, "status 400");
  EXPECT_EQ(letter.pointer, "/first");
  EXPECT_EQ(letter.http_status, 400);
  EXPECT_EQ(letter.attempts, 2U);
  EXPECT_EQ(letter.first_attempt, letter.age);
  EXPECT_LT(letter.dead_since, letter.first_attempt);
}

TEST_F(DeadLettersTest, AreReadInPagesAlsoByType) {
  std::vector<std::string> all;
  for (int i = 0; i < 120; ++i) {
    all.push_back("cart " + std::to_string(i));
    all.push_back("order " + std::to_string(i));
  }
  bury(all);
  EXPECT_EQ(texts().size(), 240U);
  EXPECT_EQ(texts({.type = "order"}).size(), 120U);
  EXPECT_THAT(texts({.type = "order"}, 2), ElementsAre("order 0", "order 1"));
  EXPECT_THAT(texts({}, 0), IsEmpty());
  const auto first = tracker->dead_letters({.type = "cart"}, EventHandle{0}, 119).value();
  const auto rest = tracker->dead_letters({.type = "cart"}, first.back().handle, 10).value();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].record.payload, "cart 119");
}

TEST_F(DeadLettersTest, AReplaySendsTheSameBytesAtOnce) {
  bury({"order 1", "order 2"});
  EXPECT_EQ(tracker->replay({}).value(), 2U);
  run_for(milliseconds(10));
  EXPECT_THAT(sent(), ElementsAre("order 1\n", "order 2\n"));
  EXPECT_EQ(tracker->stats().dead, 0U);
}

TEST_F(DeadLettersTest, AReplayAsBackfillIsMarkedAndMoved) {
  bury({"order 1", "order 2"});
  EXPECT_EQ(tracker->replay({.type = "order"}, {.max = 1, .backfill = true}).value(), 1U);
  hang(true);
  run_for(milliseconds(10));
  EXPECT_THAT(sent(), ElementsAre("order 1 (history)\n"));
  EXPECT_EQ(outbox->stats().value().queues.at(1).queue, kMemos.queue);
  hang(false);
  run_for(seconds(1));
  EXPECT_EQ(tracker->replay({}, {.backfill = true}).value(), 1U);
  run_for(seconds(1));
  EXPECT_THAT(sent(), ElementsAre("order 1 (history)\n", "order 2 (history)\n"));
}

TEST_F(DeadLettersTest, AReplayByTypeTakesNothingElseAndNoMoreThanAsked) {
  bury({"cart 1", "order 1", "order 2", "order 3"});
  track("order 1");  // its key comes in again, and waits
  hang(true);
  run_for(milliseconds(10));
  EXPECT_EQ(tracker->replay({.type = "order"}, {.max = 1}).value(), 1U);
  EXPECT_THAT(texts(), ElementsAre("cart 1", "order 1", "order 3"));
  hang(false);
  run_for(seconds(1));
}

TEST_F(DeadLettersTest, APurgeGoesByAgeTypeAndReason) {
  bury({"cart 1", "order 1"});
  run_for(hours(1));
  bury({"cart 2", "order 2"});
  EXPECT_EQ(tracker->purge({.reason = "status 5"}).value(), 0U);
  EXPECT_EQ(tracker->purge({.type = "cart", .reason = "400", .dead_for = hours(1)}).value(), 1U);
  EXPECT_THAT(texts(), ElementsAre("order 1", "cart 2", "order 2"));
  EXPECT_EQ(tracker->purge({.dead_for = hours(1)}).value(), 1U);
  EXPECT_EQ(tracker->purge({.type = "order"}).value(), 1U);
  EXPECT_THAT(texts(), ElementsAre("cart 2"));
  const auto letter = tracker->dead_letters({}, EventHandle{0}, 1).value().at(0);
  EXPECT_EQ(tracker->purge({.queue = kMemos.queue, .handle = letter.handle}).value(), 0U);
  EXPECT_EQ(tracker->purge({.handle = letter.handle}).value(), 1U);
  EXPECT_EQ(tracker->stats().purged, 4U);
}

TEST_F(DeadLettersTest, APurgeThatComesFirstIsCounted) {
  bury({"order 1", "order 2"});
  restart();
  EXPECT_EQ(tracker->purge({}).value(), 2U);
  EXPECT_EQ(tracker->stats().purged, 2U);
}

TEST_F(DeadLettersTest, AReplayWakesASenderThatSleeps) {
  http = std::make_shared<ScriptedHttpClient>();
  answer(400);
  config.log = lines.sink();
  auto started = Tracker::start(
      config.validate().value(), {.destination = std::make_shared<FakeVendor>(), .flags = flags},
      {.outbox = open_outbox({.url = "memory:"}, clock).value(), .http = http});
  ASSERT_TRUE(started);
  started->track(Note{"order 1"});
  ASSERT_TRUE(started->flush(seconds(10)));
  answer(202);
  EXPECT_EQ(started->replay({}).value(), 1U);
  EXPECT_TRUE(started->flush(seconds(10)));
  EXPECT_EQ(started->stats().delivered, 1U);
}

}  // namespace
}  // namespace postbox::tests

#include <gtest/gtest.h>

#include <barrier>
#include <fstream>
#include <set>
#include <stripe/encrypted_fact_store.hpp>
#include <stripe/fact_store.hpp>
#include <thread>

#include "support/temporary_folder.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;

const WallTime kStoredAt{1'780'000'000s};

std::string value_of(stripe::FactStore& store, const std::string& key, WallTime now = kStoredAt,
                     WallTime at = kStoredAt) {
  const auto found = store.find_fact(key, at, now);
  EXPECT_TRUE(found) << found.error().message;
  return found.value_or(std::nullopt).value_or("nothing");
}

std::vector<std::string> ready(stripe::FactStore& store, const std::vector<stripe::Fact>& facts,
                               WallTime now) {
  std::vector<std::string> ids;
  const auto bodies = store.ready_bodies(facts, now);
  EXPECT_TRUE(bodies);
  for (const auto& body : *bodies) ids.push_back(body.event_id);
  return ids;
}

using Names = std::vector<std::string>;

void put(stripe::FactStore& store, const std::string& key, const std::string& value, WallTime as_of,
         WallTime now = kStoredAt) {
  EXPECT_TRUE(store.put_facts({{key, value, as_of}}, now, now + 24h * 400));
}

// What every store does, whether it is encrypted or not.
class AnyFactStore : public ::testing::TestWithParam<bool> {
 protected:
  static std::shared_ptr<stripe::FactStore> open_store(const std::string& path,
                                                       stripe::FactStoreLimits limits = {}) {
    auto store = stripe::sqlite_fact_store(path, limits);
    if (!GetParam()) return store;
    return std::make_shared<stripe::EncryptedFactStore>(
        std::move(store), std::vector<std::string>{std::string(64, 'a')});
  }
};

INSTANTIATE_TEST_SUITE_P(Stripe, AnyFactStore, ::testing::Bool(), [](const auto& each) {
  return std::string(each.param ? "Encrypted" : "Plain");
});

TEST_P(AnyFactStore, AFactLastsUntilItExpiresAlsoOverARestart) {
  const TemporaryFolder folder;
  EXPECT_TRUE(
      open_store(folder.file("m"))->put_facts({{"a", "1", kStoredAt}}, kStoredAt, kStoredAt + 1h));
  const auto store = open_store(folder.file("m"));
  EXPECT_EQ(value_of(*store, "a", kStoredAt + 1h - 1ms), "1");
  EXPECT_EQ(value_of(*store, "a", kStoredAt + 1h), "nothing");
}

TEST_P(AnyFactStore, AnAddressThatIsForgottenIsNowhereAndTheOthersStay) {
  const auto store = open_store("");
  put(*store, "customer:1", "anna@goldenacre.example", kStoredAt);
  put(*store, "customer:2", "ben@goldenacre.example", kStoredAt);
  EXPECT_TRUE(store->put_decisions({{"profile:order-1", "anna@goldenacre.example"}}, kStoredAt,
                                   kStoredAt + 1h));
  EXPECT_TRUE(
      store->put_body({"evt_1", R"({"email": "Anna@goldenacre.example"})", "k", kStoredAt + 1h}));
  EXPECT_TRUE(
      store->put_body({"evt_2", R"({"email": "ben@goldenacre.example"})", "k", kStoredAt + 1h}));
  EXPECT_EQ(store->forget("anna@goldenacre.example").value(), 3U);
  EXPECT_EQ(value_of(*store, "customer:1"), "nothing");
  EXPECT_EQ(value_of(*store, "customer:2"), "ben@goldenacre.example");
  EXPECT_EQ(store->find_decision("profile:order-1", kStoredAt).value(), std::nullopt);
  EXPECT_EQ(ready(*store, {}, kStoredAt + 1h), Names{"evt_2"});
}

TEST_P(AnyFactStore, AFactIsWhatItWasAtTheTimeWhicheverCameLast) {
  for (const bool newer_first : {true, false}) {
    const auto store = open_store("");
    if (newer_first) put(*store, "a", "new", kStoredAt + 10s);
    put(*store, "a", "old", kStoredAt);
    if (!newer_first) put(*store, "a", "new", kStoredAt + 10s);
    EXPECT_EQ(value_of(*store, "a", kStoredAt, kStoredAt - 1s), "old");  // the first that is known
    EXPECT_EQ(value_of(*store, "a", kStoredAt, kStoredAt + 9s), "old");
    EXPECT_EQ(value_of(*store, "a", kStoredAt, kStoredAt + 10s), "new");
  }
}

TEST_P(AnyFactStore, OfTwoFactsOfOneTimeTheSameStaysWhicheverCameFirst) {
  std::set<std::string> stayed;
  for (const char* first : {"x", "y"}) {
    const auto store = open_store("");
    put(*store, "a", first, kStoredAt);
    put(*store, "a", first[0] == 'x' ? "y" : "x", kStoredAt);
    put(*store, "a", "", kStoredAt);
    stayed.insert(value_of(*store, "a"));
  }
  EXPECT_EQ(stayed.size(), 1U);
  EXPECT_FALSE(stayed.contains(""));
}

TEST_P(AnyFactStore, WhatWasReplacedIsKeptForBodiesThatComeLateAndNoLonger) {
  const auto store = open_store("");
  put(*store, "a", "old", kStoredAt);
  put(*store, "a", "", kStoredAt + 1s);
  EXPECT_EQ(value_of(*store, "a", kStoredAt + 24h * 3), "old");
  EXPECT_EQ(value_of(*store, "a", kStoredAt + 24h * 4), "nothing");
  EXPECT_EQ(value_of(*store, "a", kStoredAt + 24h * 4, kStoredAt + 24h), "");
}

TEST_P(AnyFactStore, AnEventThatIsAheadOfTheClockMakesNothingExpire) {
  const auto store = open_store("");
  for (int i = 0; i < 300; ++i) put(*store, "customer:" + std::to_string(i), "x", kStoredAt);
  put(*store, "customer:ahead", "x", kStoredAt + 24h * 500);
  for (int i = 0; i < 300; ++i) put(*store, "customer:other", "x", kStoredAt + 24h * 500);
  EXPECT_EQ(value_of(*store, "customer:5"), "x");
}

TEST_P(AnyFactStore, BeyondItsLimitTheFactsThatExpireFirstGiveWayAndOthersDoNot) {
  const auto store = open_store("", {.addresses = 10, .links = 10, .decisions = 10, .waiting = 1});
  put(*store, "order:pi_1", "in_1", kStoredAt, kStoredAt - 1h);
  EXPECT_TRUE(store->put_decisions({{"profile:x", "y"}}, kStoredAt - 1h, kStoredAt + 1h));
  for (int i = 0; i < 600; ++i) {
    put(*store, "customer:" + std::to_string(i), "x", kStoredAt, kStoredAt + i * 1s);
  }
  EXPECT_EQ(value_of(*store, "customer:100"), "nothing");
  EXPECT_EQ(value_of(*store, "customer:599"), "x");
  EXPECT_EQ(value_of(*store, "order:pi_1"), "in_1");
  EXPECT_EQ(store->find_decision("profile:x", kStoredAt).value(), "y");
}

TEST_P(AnyFactStore, TheFirstDecisionStandsAlsoInAnotherProcess) {
  const TemporaryFolder folder;
  const auto one = open_store(folder.file("m"));
  const auto other = open_store(folder.file("m"));
  EXPECT_EQ(one->find_decision("a", kStoredAt).value(), std::nullopt);
  EXPECT_TRUE(one->put_decisions({{"a", "1"}}, kStoredAt, kStoredAt + 1h).value());
  EXPECT_FALSE(other->put_decisions({{"a", "2"}, {"b", "2"}}, kStoredAt, kStoredAt + 1h).value());
  EXPECT_TRUE(other->put_decisions({{"a", "1"}, {"b", "2"}}, kStoredAt, kStoredAt + 1h).value());
  EXPECT_EQ(one->find_decision("a", kStoredAt).value(), "1");
  EXPECT_TRUE(other->put_decisions({{"a", "3"}}, kStoredAt + 1h, kStoredAt + 2h).value());
  EXPECT_EQ(one->find_decision("a", kStoredAt + 1h).value(), "3");
}

TEST_P(AnyFactStore, ABodyIsReadyWhenItsFactOrItsTimeComesAndGoneWhenItIsDone) {
  const auto store = open_store("");
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kStoredAt + 60s}));
  EXPECT_TRUE(store->put_body({"evt_2", "{}", "b", kStoredAt + 30s}));
  EXPECT_EQ(store->next_due().value(), kStoredAt + 30s);
  EXPECT_EQ(ready(*store, {}, kStoredAt), Names{});
  EXPECT_EQ(ready(*store, {{"a", "1", kStoredAt}}, kStoredAt), Names{"evt_1"});
  EXPECT_EQ(ready(*store, {}, kStoredAt + 60s), (Names{"evt_2", "evt_1"}));
  EXPECT_EQ(store->awaited_keys().value(), (Names{"b", "a"}));
  EXPECT_TRUE(store->remove_body("evt_2").value());
  EXPECT_FALSE(store->remove_body("evt_2").value());
  EXPECT_EQ(store->next_due().value(), kStoredAt + 60s);
}

TEST_P(AnyFactStore, ABodyThatWaitsAgainKeepsItsTime) {
  const auto store = open_store("", {.waiting = 1});
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kStoredAt + 60s}));
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "b", kStoredAt + 90s}));
  EXPECT_EQ(store->next_due().value(), kStoredAt + 60s);
  EXPECT_EQ(ready(*store, {{"b", "1", kStoredAt}}, kStoredAt), Names{"evt_1"});
}

TEST_P(AnyFactStore, OneBodyTooManyIsRefused) {
  const auto store = open_store("", {.waiting = 1});
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kStoredAt}));
  const auto refused = store->put_body({"evt_2", "{}", "a", kStoredAt});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutboxFull);
}

std::string begin_of(const std::string& path) {
  std::string text(6, '\0');
  std::ifstream(path).read(text.data(), 6);
  return text;
}

std::vector<std::string> damaged_files_in(const TemporaryFolder& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const std::string name = entry.path().filename();
    const bool is_log = name.ends_with("-wal") || name.ends_with("-shm");
    if (name.starts_with("m.damaged-") && !is_log) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

TEST(StripeFactStore, AFileOfWhichNothingCanBeReadIsMovedAsideAndANewOneBegun) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  for (const std::size_t times : {1U, 2U}) {
    std::ofstream(path) << std::string(4'096, 'x');
    std::vector<std::string> log;
    const auto store = stripe::sqlite_fact_store(
        path, {}, [&](LogLevel, std::string_view line) { log.emplace_back(line); });
    put(*store, "a", "1", kStoredAt);
    EXPECT_EQ(value_of(*store, "a"), "1");
    const auto aside = damaged_files_in(folder);
    ASSERT_EQ(aside.size(), times);
    ASSERT_EQ(log.size(), 1U);
    EXPECT_NE(log[0].find("'" + path + "' was damaged and is kept as '" + path + ".damaged-"),
              std::string::npos)
        << log[0];
    EXPECT_EQ(begin_of(aside.back()), "xxxxxx");
    EXPECT_EQ(begin_of(path), "SQLite");
  }
}

// What waits was answered with 200: Stripe does not send it again.
TEST(StripeFactStore, WhatCanBeReadOfADamagedFileGoesOn) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  constexpr int kBodies = 200;
  const auto body = [](int i) { return "{" + std::to_string(i) + "}" + std::string(3'000, 'b'); };
  {
    const auto store = stripe::sqlite_fact_store(path);
    put(*store, "a", "1", kStoredAt);
    EXPECT_TRUE(store->put_decisions({{"d", "1"}}, kStoredAt, kStoredAt + 1h).value());
    for (int i = 0; i < kBodies; ++i) {
      EXPECT_TRUE(store->put_body({"evt_" + std::to_string(i), body(i), "k", kStoredAt}));
    }
  }
  // One page in the middle of the bodies.
  std::string file(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(file.data(), static_cast<std::streamsize>(file.size()));
  const std::size_t page = file.find("{100}") / 4096 * 4096;
  file.replace(page, 4096, std::string(4096, 'x'));
  std::ofstream(path, std::ios::binary) << file;

  std::vector<std::string> log;
  const auto store = stripe::sqlite_fact_store(
      path, {}, [&](LogLevel, std::string_view line) { log.emplace_back(line); });
  const auto ready = store->ready_bodies({}, kStoredAt);
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_GT(ready->size(), kBodies - 10U);
  EXPECT_LT(ready->size(), std::size_t{kBodies});
  for (const auto& waiting : *ready) {
    EXPECT_EQ(waiting.body, body(std::stoi(waiting.event_id.substr(4))));
  }
  EXPECT_EQ(value_of(*store, "a"), "1");
  EXPECT_EQ(store->find_decision("d", kStoredAt).value(), "1");
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find(std::to_string(ready->size()) + " waiting webhooks were salvaged"),
            std::string::npos)
      << log[0];
}

// The one that comes second must not move the new file.
TEST(StripeFactStore, AFileThatSeveralFindDamagedIsMovedOnce) {
  for (int round = 0; round < 20; ++round) {
    const TemporaryFolder folder;
    const std::string path = folder.file("m");
    std::ofstream(path) << std::string(4'096, 'x');
    std::vector<std::thread> users;
    std::barrier begin(4);
    for (int i = 0; i < 4; ++i) {
      users.emplace_back([&, i] {
        const auto store = stripe::sqlite_fact_store(path);
        begin.arrive_and_wait();
        EXPECT_TRUE(store->put_body({"evt_" + std::to_string(i), "{}", "k", kStoredAt}));
      });
    }
    for (std::thread& user : users) user.join();
    EXPECT_EQ(damaged_files_in(folder).size(), 1U);
    EXPECT_EQ(stripe::sqlite_fact_store(path)->awaited_keys().value().size(), 4U);
  }
}

TEST(StripeFactStore, AFileThatIsDamagedInUseIsReplacedByOneOfThoseWhoUseIt) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  const auto one = stripe::sqlite_fact_store(path);
  const auto other = stripe::sqlite_fact_store(path);
  put(*one, "a", "1", kStoredAt);
  EXPECT_EQ(value_of(*other, "a"), "1");
  for (const char* suffix : {"", "-wal"}) {
    std::fstream file(path + suffix, std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(std::filesystem::file_size(path + suffix), 'x');
  }
  put(*one, "a", "2", kStoredAt);  // one of the two meets the damage, the other what became of it
  put(*other, "b", "2", kStoredAt);
  put(*one, "a", "3", kStoredAt);
  EXPECT_EQ(value_of(*one, "b"), "2");
  EXPECT_EQ(value_of(*other, "a"), "3");
  EXPECT_EQ(damaged_files_in(folder).size(), 1U);
}

}  // namespace
}  // namespace postbox::tests

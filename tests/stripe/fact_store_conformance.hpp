// What every fact store does, whether it is encrypted or not; over SQLite in
// sqlite_fact_store_test, over PostgreSQL in postgres_fact_store_test.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <stripe/encrypted_fact_store.hpp>
#include <stripe/fact_store.hpp>

#include "support/temporary_folder.hpp"

namespace postbox::tests {

using namespace std::chrono_literals;

inline const WallTime kFactTime{1'780'000'000s};

inline std::string fact_value(stripe::FactStore& store, const std::string& key,
                              WallTime now = kFactTime, WallTime at = kFactTime) {
  const auto found = store.find_fact(key, at, now);
  EXPECT_TRUE(found) << found.error().message;
  return found.value_or(std::nullopt).value_or("nothing");
}

inline std::vector<std::string> ready_ids(stripe::FactStore& store,
                                          const std::vector<stripe::Fact>& facts, WallTime now) {
  std::vector<std::string> ids;
  const auto bodies = store.ready_bodies(facts, now);
  EXPECT_TRUE(bodies);
  for (const auto& body : *bodies) ids.push_back(body.event_id);
  return ids;
}

inline void put_fact(stripe::FactStore& store, const std::string& key, const std::string& value,
                     WallTime as_of, WallTime now = kFactTime) {
  EXPECT_TRUE(store.put_facts({{key, value, as_of}}, now, now + 24h * 400));
}

// A store, of which one path is one place; an empty one is a new place each time.
using OpenFactStore = std::shared_ptr<stripe::FactStore> (*)(const std::string& path,
                                                             stripe::FactStoreLimits limits);
struct FactStoreKind {
  OpenFactStore open;
  bool is_encrypted;
};

class AnyFactStore : public ::testing::TestWithParam<FactStoreKind> {
 protected:
  static std::shared_ptr<stripe::FactStore> open_store(const std::string& path,
                                                       stripe::FactStoreLimits limits = {}) {
    auto store = GetParam().open(path, limits);
    if (!GetParam().is_encrypted) return store;
    return std::make_shared<stripe::EncryptedFactStore>(
        std::move(store), std::vector<std::string>{std::string(64, 'a')});
  }
};

inline std::string fact_store_name(const ::testing::TestParamInfo<FactStoreKind>& each) {
  return each.param.is_encrypted ? "Encrypted" : "Plain";
}

using FactIds = std::vector<std::string>;

TEST_P(AnyFactStore, AFactLastsUntilItExpiresAlsoOverARestart) {
  const TemporaryFolder folder;
  EXPECT_TRUE(
      open_store(folder.file("m"))->put_facts({{"a", "1", kFactTime}}, kFactTime, kFactTime + 1h));
  const auto store = open_store(folder.file("m"));
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 1h - 1ms), "1");
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 1h), "nothing");
}

TEST_P(AnyFactStore, AnAddressThatIsForgottenIsNowhereAndTheOthersStay) {
  const auto store = open_store("");
  put_fact(*store, "customer:1", "anna@goldenacre.example", kFactTime);
  put_fact(*store, "customer:2", "ben@goldenacre.example", kFactTime);
  EXPECT_TRUE(store->put_decisions({{"profile:order-1", "anna@goldenacre.example"}}, kFactTime,
                                   kFactTime + 1h));
  EXPECT_TRUE(
      store->put_body({"evt_1", R"({"email": "Anna@goldenacre.example"})", "k", kFactTime + 1h}));
  EXPECT_TRUE(
      store->put_body({"evt_2", R"({"email": "ben@goldenacre.example"})", "k", kFactTime + 1h}));
  EXPECT_EQ(store->forget("anna@goldenacre.example").value(), 3U);
  EXPECT_EQ(fact_value(*store, "customer:1"), "nothing");
  EXPECT_EQ(fact_value(*store, "customer:2"), "ben@goldenacre.example");
  EXPECT_EQ(store->find_decision("profile:order-1", kFactTime).value(), std::nullopt);
  EXPECT_EQ(ready_ids(*store, {}, kFactTime + 1h), FactIds{"evt_2"});
}

TEST_P(AnyFactStore, AFactIsWhatItWasAtTheTimeWhicheverCameLast) {
  for (const bool newer_first : {true, false}) {
    const auto store = open_store("");
    if (newer_first) put_fact(*store, "a", "new", kFactTime + 10s);
    put_fact(*store, "a", "old", kFactTime);
    if (!newer_first) put_fact(*store, "a", "new", kFactTime + 10s);
    EXPECT_EQ(fact_value(*store, "a", kFactTime, kFactTime - 1s),
              "old");  // the first that is known
    EXPECT_EQ(fact_value(*store, "a", kFactTime, kFactTime + 9s), "old");
    EXPECT_EQ(fact_value(*store, "a", kFactTime, kFactTime + 10s), "new");
  }
}

TEST_P(AnyFactStore, OfTwoFactsOfOneTimeTheSameStaysWhicheverCameFirst) {
  std::set<std::string> stayed;
  for (const char* first : {"x", "y"}) {
    const auto store = open_store("");
    put_fact(*store, "a", first, kFactTime);
    put_fact(*store, "a", first[0] == 'x' ? "y" : "x", kFactTime);
    put_fact(*store, "a", "", kFactTime);
    stayed.insert(fact_value(*store, "a"));
  }
  EXPECT_EQ(stayed.size(), 1U);
  EXPECT_FALSE(stayed.contains(""));
}

TEST_P(AnyFactStore, WhatWasReplacedIsKeptForBodiesThatComeLateAndNoLonger) {
  const auto store = open_store("");
  put_fact(*store, "a", "old", kFactTime);
  put_fact(*store, "a", "", kFactTime + 1s);
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 24h * 3), "old");
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 24h * 4), "nothing");
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 24h * 4, kFactTime + 24h), "");
}

TEST_P(AnyFactStore, AnEventThatIsAheadOfTheClockMakesNothingExpire) {
  const auto store = open_store("");
  for (int i = 0; i < 300; ++i) put_fact(*store, "customer:" + std::to_string(i), "x", kFactTime);
  put_fact(*store, "customer:ahead", "x", kFactTime + 24h * 500);
  for (int i = 0; i < 300; ++i) put_fact(*store, "customer:other", "x", kFactTime + 24h * 500);
  EXPECT_EQ(fact_value(*store, "customer:5"), "x");
}

TEST_P(AnyFactStore, BeyondItsLimitTheFactsThatExpireFirstGiveWayAndOthersDoNot) {
  const auto store = open_store("", {.addresses = 10, .links = 10, .decisions = 10, .waiting = 1});
  put_fact(*store, "order:pi_1", "in_1", kFactTime, kFactTime - 1h);
  EXPECT_TRUE(store->put_decisions({{"profile:x", "y"}}, kFactTime - 1h, kFactTime + 1h));
  for (int i = 0; i < 600; ++i) {
    put_fact(*store, "customer:" + std::to_string(i), "x", kFactTime, kFactTime + i * 1s);
  }
  EXPECT_EQ(fact_value(*store, "customer:100"), "nothing");
  EXPECT_EQ(fact_value(*store, "customer:599"), "x");
  EXPECT_EQ(fact_value(*store, "order:pi_1"), "in_1");
  EXPECT_EQ(store->find_decision("profile:x", kFactTime).value(), "y");
}

TEST_P(AnyFactStore, TheFirstDecisionStandsAlsoInAnotherProcess) {
  const TemporaryFolder folder;
  const auto one = open_store(folder.file("m"));
  const auto other = open_store(folder.file("m"));
  EXPECT_EQ(one->find_decision("a", kFactTime).value(), std::nullopt);
  EXPECT_TRUE(one->put_decisions({{"a", "1"}}, kFactTime, kFactTime + 1h).value());
  EXPECT_FALSE(other->put_decisions({{"a", "2"}, {"b", "2"}}, kFactTime, kFactTime + 1h).value());
  EXPECT_TRUE(other->put_decisions({{"a", "1"}, {"b", "2"}}, kFactTime, kFactTime + 1h).value());
  EXPECT_EQ(one->find_decision("a", kFactTime).value(), "1");
  EXPECT_TRUE(other->put_decisions({{"a", "3"}}, kFactTime + 1h, kFactTime + 2h).value());
  EXPECT_EQ(one->find_decision("a", kFactTime + 1h).value(), "3");
}

TEST_P(AnyFactStore, ABodyIsReadyWhenItsFactOrItsTimeComesAndGoneWhenItIsDone) {
  const auto store = open_store("");
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kFactTime + 60s}));
  EXPECT_TRUE(store->put_body({"evt_2", "{}", "b", kFactTime + 30s}));
  EXPECT_EQ(store->next_due().value(), kFactTime + 30s);
  EXPECT_EQ(ready_ids(*store, {}, kFactTime), FactIds{});
  EXPECT_EQ(ready_ids(*store, {{"a", "1", kFactTime}}, kFactTime), FactIds{"evt_1"});
  EXPECT_EQ(ready_ids(*store, {}, kFactTime + 60s), (FactIds{"evt_2", "evt_1"}));
  EXPECT_EQ(store->awaited_keys().value(), (FactIds{"b", "a"}));
  EXPECT_TRUE(store->remove_body("evt_2").value());
  EXPECT_FALSE(store->remove_body("evt_2").value());
  EXPECT_EQ(store->next_due().value(), kFactTime + 60s);
}

TEST_P(AnyFactStore, ABodyThatWaitsAgainKeepsItsTime) {
  const auto store = open_store("", {.waiting = 1});
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kFactTime + 60s}));
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "b", kFactTime + 90s}));
  EXPECT_EQ(store->next_due().value(), kFactTime + 60s);
  EXPECT_EQ(ready_ids(*store, {{"b", "1", kFactTime}}, kFactTime), FactIds{"evt_1"});
}

TEST_P(AnyFactStore, OfAFewTellersAtOnceTheNewestFactLastsAndTheOthersDoNot) {
  const auto store = open_store("");
  EXPECT_TRUE(store->put_facts({{"b", "2", kFactTime + 1s},
                                {"a", "old", kFactTime},
                                {"a", "new", kFactTime + 2s},
                                {"a", "mid", kFactTime + 1s}},
                               kFactTime, kFactTime + 24h * 400));
  EXPECT_EQ(fact_value(*store, "a", kFactTime, kFactTime + 1s), "mid");
  EXPECT_EQ(fact_value(*store, "a", kFactTime + 24h * 4, kFactTime + 1s), "new");
  EXPECT_EQ(fact_value(*store, "b", kFactTime + 24h * 4, kFactTime + 1s), "2");
}

TEST_P(AnyFactStore, ADecisionThatIsListedTwiceStandsAsTheFirst) {
  const auto store = open_store("");
  EXPECT_FALSE(store->put_decisions({{"b", "1"}, {"a", "2"}, {"b", "3"}}, kFactTime, kFactTime + 1h)
                   .value());
  EXPECT_EQ(store->find_decision("b", kFactTime).value(), "1");
  EXPECT_EQ(store->find_decision("a", kFactTime).value(), "2");
}

TEST_P(AnyFactStore, WhatHasExpiredIsRemovedAndTheRestStays) {
  const auto store = open_store("");
  EXPECT_TRUE(store->put_facts({{"a", "1", kFactTime}}, kFactTime, kFactTime + 1h));
  EXPECT_TRUE(store->put_facts({{"b", "1", kFactTime}}, kFactTime, kFactTime + 2h));
  EXPECT_TRUE(store->put_decisions({{"c", "1"}}, kFactTime, kFactTime + 1h).value());
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kFactTime + 1min}));
  EXPECT_EQ(store->expire(kFactTime + 1h - 1ms).value(), 0U);
  EXPECT_EQ(store->expire(kFactTime + 1h).value(), 2U);
  EXPECT_EQ(fact_value(*store, "b"), "1");
  EXPECT_EQ(store->awaited_keys().value().size(), 1U);
}

TEST_P(AnyFactStore, WhateverStripeSendsIsKeptByteByByte) {
  const auto store = open_store("");
  const std::string odd("\0\xff'\\x41\xc3\xa9", 9);
  put_fact(*store, "order:" + odd, odd, kFactTime);
  EXPECT_EQ(fact_value(*store, "order:" + odd), odd);
  EXPECT_TRUE(store->put_decisions({{odd, odd}}, kFactTime, kFactTime + 1h).value());
  EXPECT_EQ(store->find_decision(odd, kFactTime).value(), odd);
  EXPECT_TRUE(store->put_body({odd, odd, odd, kFactTime}));
  const auto bodies = store->ready_bodies({}, kFactTime).value();
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_EQ(bodies[0].event_id + bodies[0].body + bodies[0].key, odd + odd + odd);
  EXPECT_TRUE(store->remove_body(odd).value());
}

// More rows than one transaction takes, of which some meet the same fact under their new key.
TEST_P(AnyFactStore, WhatIsRewrittenIsFoundUnderItsNewKeyAndTheLargerValueStays) {
  const TemporaryFolder folder;
  const auto store = GetParam().open(folder.file("m"), {});
  constexpr int kRows = 600;
  std::vector<stripe::Fact> facts;
  std::vector<stripe::Decision> decisions;
  for (int i = 0; i < kRows; ++i) {
    facts.push_back({"order:" + std::to_string(i), "old", kFactTime});
    decisions.push_back({"d" + std::to_string(i), "old"});
  }
  facts.push_back({"bought:Anna@x", "old", kFactTime});
  facts.push_back({"bought:anna@x", "newer", kFactTime});
  EXPECT_TRUE(store->put_facts(facts, kFactTime, kFactTime + 24h));
  EXPECT_TRUE(store->put_decisions(decisions, kFactTime, kFactTime + 24h).value());
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(store->put_body({"evt_" + std::to_string(i), "old", "k", kFactTime + 1h}));
  }
  const auto change = [](std::string_view text) -> std::optional<std::string> {
    if (text == "old") return "now";
    return text == "Anna@x" ? std::optional<std::string>("anna@x") : std::nullopt;
  };
  EXPECT_EQ(store->rewrite(change).value(), 2U * kRows + 1 + 30);
  EXPECT_EQ(store->rewrite(change).value(), 0U);
  EXPECT_EQ(fact_value(*store, "bought:anna@x"), "now");  // larger than "newer"
  EXPECT_EQ(fact_value(*store, "bought:Anna@x"), "nothing");
  for (int i = 0; i < kRows; ++i) {
    EXPECT_EQ(fact_value(*store, "order:" + std::to_string(i)), "now");
    EXPECT_EQ(store->find_decision("d" + std::to_string(i), kFactTime).value(), "now");
  }
  const auto bodies = store->ready_bodies({}, kFactTime + 1h);
  ASSERT_FALSE(bodies->empty());
  for (const auto& waiting : *bodies) EXPECT_EQ(waiting.body, "now");
}

TEST_P(AnyFactStore, OneBodyTooManyIsRefused) {
  const auto store = open_store("", {.waiting = 1});
  EXPECT_TRUE(store->put_body({"evt_1", "{}", "a", kFactTime}));
  const auto refused = store->put_body({"evt_2", "{}", "a", kFactTime});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutboxFull);
}

}  // namespace postbox::tests

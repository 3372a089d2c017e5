// What Stripe's webhooks told lies encrypted; what every store does is in
// fact_store_conformance.hpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <stripe/encrypted_fact_store.hpp>

#include "support/raw_file.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::tests {
namespace {

using stripe::EncryptedFactStore;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const WallTime kSealedAt{1'780'000'000s};
constexpr const char* kAnna = "anna@goldenacre.example";

using Keys = std::vector<std::string>;
const std::string kFirst(64, '1');
const std::string kSecond(64, '2');

class EncryptedStore : public ::testing::Test {
 protected:
  std::unique_ptr<EncryptedFactStore> store(const Keys& keys) const {
    return std::make_unique<EncryptedFactStore>(stripe::sqlite_fact_store(folder_.file("m")), keys);
  }

  // Everything that there is to be known of a person.
  static void put_all(EncryptedFactStore& store) {
    EXPECT_TRUE(store.put_facts({{"customer:cus_1", kAnna, kSealedAt},
                                 {"customer:cus_2", "", kSealedAt},
                                 {std::string("bought:") + kAnna, "1780000000", kSealedAt},
                                 {std::string("bought:acct_1:") + kAnna, "1780000000", kSealedAt}},
                                kSealedAt, kSealedAt + 24h));
    EXPECT_TRUE(store.put_decisions({{"profile:in_1", kAnna}}, kSealedAt, kSealedAt + 24h).value());
    EXPECT_TRUE(store.put_body(
        {"evt_1", R"({"email": "Anna@goldenacre.example"})", "order:pi_1", kSealedAt}));
  }

  static void expect_all(EncryptedFactStore& store) {
    EXPECT_EQ(store.find_fact("customer:cus_1", kSealedAt, kSealedAt).value(), kAnna);
    EXPECT_EQ(store.find_fact("customer:cus_2", kSealedAt, kSealedAt).value(), "");
    for (const char* kind : {"bought:", "bought:acct_1:"}) {
      EXPECT_EQ(store.find_fact(std::string(kind) + kAnna, kSealedAt, kSealedAt).value(),
                "1780000000");
    }
    EXPECT_EQ(store.find_decision("profile:in_1", kSealedAt).value(), kAnna);
    const auto bodies = store.ready_bodies({{"order:pi_1", "", kSealedAt}}, kSealedAt - 1h).value();
    ASSERT_EQ(bodies.size(), 1U);
    EXPECT_EQ(bodies[0].body, R"({"email": "Anna@goldenacre.example"})");
    EXPECT_FALSE(bodies[0].is_locked);
  }

  [[nodiscard]] bool file_has(const std::string& text) const {
    return (contents(folder_.file("m")) + contents(folder_.file("m-wal"))).find(text) !=
           std::string::npos;
  }

  TemporaryFolder folder_;
};

TEST_F(EncryptedStore, ThereIsNoAddressInItsFile) {
  put_all(*store({kFirst}));
  expect_all(*store({kFirst}));
  EXPECT_TRUE(file_has("cus_1"));
  EXPECT_FALSE(file_has("anna"));
  EXPECT_FALSE(file_has("Anna"));
  EXPECT_FALSE(file_has("1780000000"));
}

TEST_F(EncryptedStore, WhatIsPlainIsReadAndStaysTheSameWhenAKeyComes) {
  put_all(*store({}));
  EXPECT_TRUE(file_has("anna"));
  const auto now = store({kFirst});
  expect_all(*now);
  EXPECT_TRUE(now->put_decisions({{"profile:in_1", kAnna}}, kSealedAt, kSealedAt + 24h).value());
  EXPECT_FALSE(now->put_decisions({{"profile:in_1", "ben@x"}}, kSealedAt, kSealedAt + 24h).value());
}

TEST_F(EncryptedStore, ANewKeyReadsWhatTheOldOneWrote) {
  put_all(*store({kFirst}));
  const auto now = store({kSecond, kFirst});
  expect_all(*now);
  EXPECT_TRUE(now->put_decisions({{"profile:in_1", kAnna}}, kSealedAt, kSealedAt + 24h).value());
  EXPECT_TRUE(now->put_facts({{std::string("bought:") + kAnna, "1780000009", kSealedAt + 9s}},
                             kSealedAt, kSealedAt + 24h));
  EXPECT_EQ(now->find_fact(std::string("bought:") + kAnna, kSealedAt + 9s, kSealedAt).value(),
            "1780000009");
}

TEST_F(EncryptedStore, ResealLeavesNothingToTheOldKeyNorInPlainText) {
  put_all(*store({}));
  EXPECT_TRUE(store({kFirst})->put_facts({{"customer:cus_3", kAnna, kSealedAt}}, kSealedAt,
                                         kSealedAt + 24h));
  const auto both = store({kSecond, kFirst});
  const auto resealed = both->reseal();
  ASSERT_TRUE(resealed) << resealed.error().message;
  EXPECT_EQ(resealed->records, 6U);  // all but the value that is empty
  EXPECT_EQ(resealed->locked, 0U);
  EXPECT_EQ(both->reseal()->records, 0U);
  expect_all(*store({kSecond}));
  EXPECT_EQ(store({kSecond})->find_fact("customer:cus_3", kSealedAt, kSealedAt).value(), kAnna);
  EXPECT_FALSE(file_has("anna"));
  EXPECT_FALSE(file_has("Anna"));
}

TEST_F(EncryptedStore, ResealGoesThroughEveryRecordOfALargeStore) {
  {
    const auto plain = store({});
    std::vector<stripe::Fact> facts;
    std::vector<stripe::Decision> decisions;
    for (int i = 0; i < 1'000; ++i) {
      const std::string n = std::to_string(i);
      facts.push_back({"customer:cus_" + n, "anna" + n + "@x.example", kSealedAt});
      facts.push_back({"bought:anna" + n + "@x.example", "1780000000", kSealedAt});
      decisions.push_back({"profile:in_" + n, "anna" + n + "@x.example"});
    }
    EXPECT_TRUE(plain->put_facts(facts, kSealedAt, kSealedAt + 24h));
    EXPECT_TRUE(plain->put_decisions(decisions, kSealedAt, kSealedAt + 24h).value());
    for (int i = 0; i < 600; ++i) {
      EXPECT_TRUE(plain->put_body({"evt_" + std::to_string(i), "{anna}", "k", kSealedAt}));
    }
  }
  EXPECT_EQ(store({kFirst})->reseal()->records, 3'600U);
  EXPECT_FALSE(file_has("anna"));
  const auto after = store({kFirst});
  EXPECT_EQ(after->find_fact("bought:anna999@x.example", kSealedAt, kSealedAt).value(),
            "1780000000");
  EXPECT_EQ(after->find_decision("profile:in_0", kSealedAt).value(), "anna0@x.example");
  EXPECT_EQ(after->ready_bodies({}, kSealedAt)->size(), 600U);
}

TEST_F(EncryptedStore, WithoutItsKeyItSaysSoAndGivesNothingFalse) {
  put_all(*store({kFirst}));
  for (const Keys& keys : {Keys{}, Keys{kSecond}}) {
    const auto now = store(keys);
    const auto fact = now->find_fact("customer:cus_1", kSealedAt, kSealedAt);
    ASSERT_FALSE(fact);
    EXPECT_EQ(fact.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(fact.error().message, HasSubstr("POSTBOX_ENCRYPTION_KEY"));
    EXPECT_FALSE(now->find_decision("profile:in_1", kSealedAt));
    EXPECT_EQ(now->find_fact("customer:cus_2", kSealedAt, kSealedAt).value(), "");
    const auto bodies = now->ready_bodies({}, kSealedAt).value();
    ASSERT_EQ(bodies.size(), 1U);
    EXPECT_TRUE(bodies[0].is_locked);
    EXPECT_EQ(bodies[0].body, "");
  }
  EXPECT_EQ(store({kSecond})->reseal()->locked, 7U);
  EXPECT_EQ(store({kSecond})->reseal()->records, 0U);
  EXPECT_FALSE(store({})->reseal());
  expect_all(*store({kFirst}));
}

TEST_F(EncryptedStore, ForgetsAPersonUnderEveryKeyAndInPlainText) {
  put_all(*store({}));
  EXPECT_TRUE(store({kFirst})->put_facts({{"customer:cus_3", kAnna, kSealedAt}}, kSealedAt,
                                         kSealedAt + 24h));
  const auto both = store({kSecond, kFirst});
  EXPECT_TRUE(both->put_facts({{"customer:cus_4", kAnna, kSealedAt},
                               {"customer:cus_5", "ben@goldenacre.example", kSealedAt},
                               {std::string("bought:acct_1:") + kAnna, "1780000000", kSealedAt}},
                              kSealedAt, kSealedAt + 24h));
  EXPECT_TRUE(both->put_body({"evt_2", R"({"email": "anna@Goldenacre.example"})", "k", kSealedAt}));
  EXPECT_TRUE(both->put_body({"evt_3", R"({"email": "ben@goldenacre.example"})", "k", kSealedAt}));
  const auto removed = both->forget(kAnna);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(*removed, 9U);  // 5 plain, 1 under the first key, 3 under the second
  EXPECT_EQ(*both->forget(kAnna), 0U);
  for (const char* id : {"1", "3", "4"}) {
    EXPECT_EQ(both->find_fact(std::string("customer:cus_") + id, kSealedAt, kSealedAt).value(),
              std::nullopt);
  }
  EXPECT_EQ(both->find_fact("customer:cus_5", kSealedAt, kSealedAt).value(),
            "ben@goldenacre.example");
  ASSERT_EQ(both->ready_bodies({}, kSealedAt)->size(), 1U);
  EXPECT_FALSE(file_has("anna"));
}

TEST_F(EncryptedStore, ForgettingSaysWhenThereIsMoreThatItCannotRead) {
  put_all(*store({kFirst}));
  const auto done = store({kSecond})->forget(kAnna);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("7 records were not read"));
  EXPECT_THAT(done.error().message, HasSubstr("POSTBOX_ENCRYPTION_KEY"));
}

TEST_F(EncryptedStore, ARecordThatHasChangedIsNoValue) {
  const auto inside = stripe::sqlite_fact_store(folder_.file("m"));
  for (const char* value : {"sealed:", "sealed:AFBCAQ==", "sealed:not Base64"}) {
    EXPECT_TRUE(
        inside->put_facts({{"customer:cus_1", value, kSealedAt}}, kSealedAt, kSealedAt + 24h));
    const auto found = store({kFirst})->find_fact("customer:cus_1", kSealedAt, kSealedAt);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kOutboxCorrupt);
  }
}

// A webhook whose own facts cannot be read is kept by Stripe until the key is back.
TEST(EncryptedWebhook, WithoutItsKeyStripeKeepsWhatItDeliversAndNothingIsLostOrDoubled) {
  StripeShop shop;
  shop.restart({kFirst});
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  Json waiting = stripe_invoice("in_2", "subscription_cycle");
  waiting["customer"] = "cus_other";
  waiting["customer_email"] = nullptr;
  const std::string deferred = stripe_event("invoice.paid", waiting).dump();
  EXPECT_EQ(shop.deliver(deferred).status, 200);
  EXPECT_EQ(shop.webhook().counts().waiting, 1U);

  Json invoice = stripe_invoice("in_1", "subscription_cycle");
  invoice["customer_email"] = nullptr;
  const std::string paid = stripe_event("invoice.paid", invoice).dump();
  shop.restart({kSecond});
  const auto refused = shop.deliver(paid);
  EXPECT_EQ(refused.status, 503) << refused.reason;
  EXPECT_THAT(refused.reason, HasSubstr("POSTBOX_ENCRYPTION_KEY"));
  shop.pass(10min);
  EXPECT_EQ(shop.webhook().counts().waiting, 1U);
  EXPECT_TRUE(shop.recorded().empty());
  EXPECT_THAT(shop.log, Contains(HasSubstr("a webhook that waits is encrypted with a key that is "
                                           "not set")));

  shop.restart({kSecond, kFirst});
  EXPECT_EQ(shop.deliver(paid).status, 200);
  EXPECT_EQ(shop.deliver(paid).status, 200);
  shop.pass(10min);
  EXPECT_EQ(shop.webhook().counts().waiting, 0U);
  std::set<std::pair<std::string, std::string>> once;
  for (const Json& event : shop.recorded()) {
    EXPECT_TRUE(once.emplace(event["metric"], event["properties"]["$event_id"]).second);
  }
  EXPECT_EQ(once.size(), 4U);  // of each invoice the order and the renewal
  EXPECT_THAT(shop.recorded_identifiers(), Contains(stripe_customer()["email"].get<std::string>()));
}

}  // namespace
}  // namespace postbox::tests

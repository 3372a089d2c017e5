// An outbox with POSTBOX_ENCRYPTION_KEY: what lies on the disk, keys that are missing or change.
// That it is an outbox as any other is shown by the conformance suite.
#include "encrypted_outbox.hpp"

#include "base/encryption_keys.hpp"

#include <gmock/gmock.h>

#include "support/engine_harness.hpp"
#include "support/outbox_fixture.hpp"
#include "support/raw_file.hpp"
#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFirst(64, '1');
const std::string kSecond = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";  // base64

class EncryptedOutbox : public ::testing::Test {
 protected:
  [[nodiscard]] std::shared_ptr<Outbox> open(std::vector<std::string> keys) {
    OutboxOptions options{.url = "sqlite:" + folder.file("outbox.db")};
    options.encryption_keys = std::move(keys);
    return take(open_outbox(options, clock));
  }

  // Looks at every byte of the outbox's files.
  [[nodiscard]] bool lies_on_disk(std::string_view text) const {
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      if (tests::contents(file.path()).find(text) != std::string::npos) return true;
    }
    return false;
  }

  [[nodiscard]] static std::vector<std::string> payloads_of(Outbox& outbox) {
    std::vector<std::string> payloads;
    const auto claim = take(outbox.claim(kQueue, {}, kLease));
    for (const ClaimedEvent& event : claim.events) payloads.push_back(event.record.payload);
    return payloads;
  }

  tests::TemporaryFolder folder;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
};

TEST_F(EncryptedOutbox, NothingOfAnEventATimerOrASecretLiesThereInPlainText) {
  const auto outbox = open({kFirst});
  ASSERT_TRUE(outbox->append(std::vector{event(1)}));
  EventRecord timed = event(2);
  timed.timing = std::make_shared<const Timing>(
      Timing{.slot = key_of(9), .timer = Timer{.delay = 1h, .event = event(3)}});
  ASSERT_TRUE(outbox->append(std::vector{timed}));
  EXPECT_EQ(take(outbox->keep("recovery", "the secret of the links")), "the secret of the links");
  EXPECT_FALSE(lies_on_disk("payload 1"));
  EXPECT_FALSE(lies_on_disk("payload 3"));
  EXPECT_FALSE(lies_on_disk("secret"));
  EXPECT_THAT(payloads_of(*outbox), ::testing::ElementsAre("payload 1", "payload 2"));
  clock->advance(1h);
  EXPECT_EQ(take(outbox->maintain(24h)).fired, 1U);
  EXPECT_THAT(payloads_of(*outbox), ::testing::ElementsAre("payload 1", "payload 2", "payload 3"));
}

TEST_F(EncryptedOutbox, WhatWasPlainBeforeIsSentAndWhatIsEncryptedNeedsItsKey) {
  ASSERT_TRUE(open({})->append(std::vector{event(1)}));
  ASSERT_TRUE(open({kFirst})->append(std::vector{event(2)}));
  ASSERT_TRUE(open({kSecond, kFirst})->append(std::vector{event(3)}));
  EXPECT_THAT(payloads_of(*open({kSecond, kFirst})),
              ::testing::ElementsAre("payload 1", "payload 2", "payload 3"));
}

TEST_F(EncryptedOutbox, EventsWithoutTheirKeyWaitForIt) {
  ASSERT_TRUE(open({kFirst})->append(std::vector{event(1)}));
  for (const std::vector<std::string>& keys : {std::vector<std::string>{}, {kSecond}}) {
    const auto outbox = open(keys);
    ASSERT_TRUE(outbox->append(std::vector{event(2)}));
    auto claim = take(outbox->claim(kQueue, {}, kLease));
    EXPECT_EQ(claim.locked, 1U);
    ASSERT_EQ(claim.events.size(), 1U) << "others go on";
    EXPECT_EQ(claim.events[0].record.payload, "payload 2");
    EXPECT_EQ(take(outbox->settle(claim.token,
                                  std::vector{outcome(claim.events[0], OutcomeKind::kDelivered)}))
                  .applied,
              1U);
    clock->advance(6min);
    (void)take(outbox->maintain(24h));
  }
  const auto outbox = open({kSecond, kFirst});
  const auto claim = take(outbox->claim(kQueue, {}, kLease));
  ASSERT_EQ(claim.events.size(), 1U);
  EXPECT_EQ(claim.events[0].record.payload, "payload 1");
  EXPECT_EQ(claim.events[0].attempts, 1U) << "none was spent";
}

TEST_F(EncryptedOutbox, ResealLeavesNothingForTheOldKey) {
  auto old = open({kFirst});
  ASSERT_TRUE(old->append(std::vector{event(1), event(2)}));
  EventRecord timed = event(3);
  timed.timing = std::make_shared<const Timing>(
      Timing{.slot = key_of(9), .timer = Timer{.delay = 1h, .event = event(4)}});
  ASSERT_TRUE(old->append(std::vector{timed}));
  auto claim = take(old->claim(kQueue, {.max_events = 1}, kLease));
  Outcome dead = outcome(claim.events[0], OutcomeKind::kDead);
  dead.reason = "HTTP 400";
  (void)take(old->settle(claim.token, std::vector{dead}));
  EXPECT_EQ(take(old->keep("recovery", "secret")), "secret");
  EXPECT_FALSE(open({})->reseal());
  old.reset();  // one at a time is the sender

  auto both = open({kSecond, kFirst});
  EXPECT_EQ(take(both->reseal()).events, 4U);
  EXPECT_EQ(take(both->reseal()).events, 0U);
  EXPECT_EQ(take(both->keep("recovery", "another")), "secret");
  both.reset();

  const auto now = open({kSecond});
  EXPECT_EQ(take(now->keep("recovery", "another")), "secret");
  const auto letters = take(now->dead({}, EventHandle{0}, 10));
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].record.payload, "payload 1");
  EXPECT_THAT(payloads_of(*now), ::testing::ElementsAre("payload 2", "payload 3"));
  EXPECT_EQ(take(open({kFirst})->reseal()).locked, 4U);
  EXPECT_EQ(take(now->purge({})), 1U);
  clock->advance(1h);
  EXPECT_EQ(take(now->maintain(24h)).fired, 1U);
  EXPECT_THAT(payloads_of(*now), ::testing::ElementsAre("payload 2", "payload 3", "payload 4"));
}

TEST_F(EncryptedOutbox, AReplayAsBackfillIsSealedAgain) {
  const auto outbox = open({kFirst});
  ASSERT_TRUE(outbox->append(std::vector{event(1)}));
  auto claim = take(outbox->claim(kQueue, {}, kLease));
  (void)take(
      outbox->settle(claim.token, std::vector{outcome(claim.events[0], OutcomeKind::kDead)}));
  EXPECT_EQ(take(outbox->replay({}, 1, [](EventRecord& record) { record.payload += " again"; })),
            1U);
  EXPECT_FALSE(lies_on_disk("again"));
  EXPECT_THAT(payloads_of(*outbox), ::testing::ElementsAre("payload 1 again"));
}

TEST_F(EncryptedOutbox, AReplayAsBackfillWithoutTheKeyChangesNothing) {
  auto outbox = open({kFirst});
  ASSERT_TRUE(outbox->append(std::vector{event(1)}));
  auto claim = take(outbox->claim(kQueue, {}, kLease));
  (void)take(
      outbox->settle(claim.token, std::vector{outcome(claim.events[0], OutcomeKind::kDead)}));
  outbox = open({kSecond});
  expect_error(outbox->replay({}, 1, [](EventRecord& record) { record.payload += " again"; }),
               ErrorCode::kInvalidConfig, "POSTBOX_ENCRYPTION_KEY");
  EXPECT_EQ(take(outbox->dead({}, EventHandle{0}, 10)).size(), 1U);
  EXPECT_EQ(take(outbox->stats()).queues.front().ready, 0U);
}

}  // namespace
}  // namespace postbox::testing

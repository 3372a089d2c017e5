// OutboxFixture gives a test one outbox on a manual clock, verbs to use it, and at its end the
// check that no event was lost or invented.
//
// Place:     below outbox_conformance.hpp and the tests of single backends.
// Threads:   the test's thread.
// Lifetime:  each test has its own folder, removed at the end.
// Failure:   a verb that fails records a test failure and returns an empty value.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <string>
#include <utility>
#include <vector>

#include "temporary_folder.hpp"

namespace postbox::testing {

using namespace std::chrono_literals;

inline constexpr QueueId kQueue{3};
inline constexpr QueueId kOtherQueue{7};
inline constexpr std::chrono::milliseconds kLease = 30s;

using tests::TemporaryFolder;

[[nodiscard]] inline Key key_of(std::uint32_t number) {
  Key key{};
  for (std::size_t byte = 0; byte < sizeof(number); ++byte) {
    key.at(byte) = static_cast<std::byte>(number >> (8 * byte));
  }
  return key;
}

// Every number is an event of its own; profiles repeat after ten.
[[nodiscard]] inline EventRecord event(std::uint32_t number, QueueId queue = kQueue) {
  return {.queue = queue,
          .dedup_key = key_of(number),
          .profile_key = key_of(number % 10),
          .payload = "payload " + std::to_string(number)};
}

[[nodiscard]] inline std::vector<EventRecord> events(std::uint32_t first, std::uint32_t count) {
  std::vector<EventRecord> batch;
  for (std::uint32_t i = 0; i < count; ++i) batch.push_back(event(first + i));
  return batch;
}

inline void expect_same(const EventRecord& actual, const EventRecord& expected) {
  EXPECT_EQ(actual.queue, expected.queue);
  EXPECT_EQ(actual.dedup_key, expected.dedup_key);
  EXPECT_EQ(actual.profile_key, expected.profile_key);
  EXPECT_TRUE(actual.payload == expected.payload) << "the payload's bytes changed";
}

// Unwraps a Result; a failure is a failure of the test.
template <class T>
T take(Result<T> result) {
  if (result) return std::move(*result);
  ADD_FAILURE() << result.error().message;
  return T{};
}

template <class T>
void expect_error(const Result<T>& result, ErrorCode code, const std::string& part = "") {
  ASSERT_FALSE(result.has_value()) << "expected an error";
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
}

[[nodiscard]] inline Outcome outcome(const ClaimedEvent& event, OutcomeKind kind,
                                     std::chrono::milliseconds delay = 0ms) {
  return {.handle = event.handle, .kind = kind, .delay = delay};
}

[[nodiscard]] inline std::vector<Outcome> outcomes(const Claim& claim, OutcomeKind kind,
                                                   std::chrono::milliseconds delay = 0ms) {
  std::vector<Outcome> all;
  for (const ClaimedEvent& event : claim.events) all.push_back(outcome(event, kind, delay));
  return all;
}

class OutboxFixture {
 protected:
  // Call after opening; call again to open anew.
  void use(std::shared_ptr<Outbox> outbox) { outbox_ = std::move(outbox); }
  [[nodiscard]] Outbox& outbox() { return *outbox_; }

  std::size_t append(const std::vector<EventRecord>& batch) {
    return take(outbox_->append(batch)).inserted;
  }
  [[nodiscard]] Claim claim(std::size_t max = 100, QueueId queue = kQueue) {
    return take(outbox_->claim(queue, ClaimLimits{.max_events = max}, kLease));
  }
  Settled settle(const Claim& claim, const std::vector<Outcome>& outcomes) {
    return take(outbox_->settle(claim.token, outcomes));
  }
  Settled settle_all(const Claim& claim, OutcomeKind kind, std::chrono::milliseconds delay = 0ms) {
    return settle(claim, outcomes(claim, kind, delay));
  }
  // Returns how many held events of the queue became ready.
  std::size_t release(Flag flag, QueueId queue = kQueue) {
    std::size_t released = 0;
    std::optional<EventHandle> after{EventHandle{0}};
    while (after) {
      const Released page = take(outbox_->release_held(queue, flag, *after));
      released += page.released;
      after = page.go_on_after;
    }
    return released;
  }
  std::size_t release_all(QueueId queue = kQueue) { return release(Flag::on(), queue); }
  void bury(const std::vector<EventRecord>& batch) {
    append(batch);
    settle_all(claim(batch.size(), batch.front().queue), OutcomeKind::kDead);
  }
  [[nodiscard]] QueueStats stats_of(QueueId queue = kQueue) {
    for (const QueueStats& stats : take(outbox_->stats()).queues) {
      if (stats.queue == queue) return stats;
    }
    return {};
  }
  [[nodiscard]] std::vector<DeadLetter> dead(const EventFilter& filter = {}) {
    return take(outbox_->dead(filter, EventHandle{0}, 1000));
  }

  // appended + fired = delivered + purged + expired + rows + spilled
  void expect_conservation() {
    if (outbox_ == nullptr) return;
    const OutboxStats stats = take(outbox_->stats());
    std::uint64_t rows = stats.spilled;
    for (const QueueStats& queue : stats.queues) {
      rows += queue.ready + queue.leased + queue.delayed + queue.held + queue.dead;
    }
    EXPECT_EQ(stats.totals.appended + stats.totals.fired,
              stats.totals.delivered + stats.totals.purged + stats.totals.expired + rows);
  }

  TemporaryFolder folder_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();

 private:
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace postbox::testing

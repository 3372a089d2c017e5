// EngineHarness: the whole engine in one thread on a manual clock, against a scripted vendor and a
// real SQLite outbox in memory. Every test that uses it ends by checking conservation.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <postbox/tracker.hpp>

#include "conservation.hpp"
#include "fake_vendor.hpp"

namespace postbox::tests {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ManualClock;
using testing::ScriptedHttpClient;

inline std::string describe(const Stats& s) {
  const auto part = [](const char* name, std::uint64_t n) {
    return std::string(" ") + name + "=" + std::to_string(n);
  };
  return part("offered", s.offered) + part("accepted", s.accepted) + part("disabled", s.disabled) +
         part("rejected", s.rejected) + part("full", s.full) + part("closed", s.closed) +
         part("delivered", s.delivered) + part("dead", s.dead) + part("held", s.held) +
         part("waiting", s.waiting) + part("in_flight", s.in_flight) + part("purged", s.purged) +
         part("recovered", s.recovered);
}

class EngineHarness : public ::testing::Test {
 protected:
  void TearDown() override {
    if (tracker) expect_conservation();
  }

  void start(std::size_t events_per_request = 1) {
    if (!outbox) outbox = open_outbox(OutboxOptions{.url = "memory:"}, clock).value();
    vendor = std::make_shared<FakeVendor>(events_per_request);
    restart();
  }

  // The process ends and starts again: only the outbox survives.
  void restart() {
    tracker.reset();
    http = http ? std::make_shared<ScriptedHttpClient>() : http_at_start;
    config.log = lines.sink();
    auto started = Tracker::start(
        config.validate().value(),
        {.destination = vendor, .flags = flags, .reload = [this] { return reloaded(); }},
        {.outbox = outbox,
         .http = http,
         .clock = clock,
         .random = seeded_random(7),
         .rate_gate = rate_gate,
         .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker.emplace(*std::move(started));
  }

  // Lets everything happen that is due within `time`, jumping from one due moment to the next.
  void run_for(std::chrono::nanoseconds time) {
    const SteadyTime end = clock->now() + time;
    for (int steps = 0; clock->now() <= end; ++steps) {
      ASSERT_LT(steps, 100'000) << "the engine spins";
      const SteadyTime next = tracker->run_once();
      // A request that is not held back is answered at the next step.
      if (http->unanswered() > 0 && !hanging) continue;
      if (next > end) break;
      if (next > clock->now()) clock->advance(next - clock->now());
    }
    if (clock->now() < end) clock->advance(end - clock->now());
  }

  void hang(bool on) {
    hanging = on;
    http->hang(on);
  }

  TrackStatus track(std::string text, std::string profile = "1", const Family& family = kNotes) {
    return tracker->track(Note{std::move(text), std::move(profile), 1, &family}).status();
  }

  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const auto& request : http->requests()) all.push_back(request.body);
    return all;
  }

  void expect_conservation() {
    const Stats stats = tracker->stats();
    EXPECT_TRUE(stats.complete);
    EXPECT_TRUE(stats.conserved()) << describe(stats);
    expect_conserved(*outbox);
  }

  virtual Result<Reloaded> reloaded() { return Reloaded{flags, LogLevel::kInfo, {}}; }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<ScriptedHttpClient> http_at_start = std::make_shared<ScriptedHttpClient>();
  std::shared_ptr<ScriptedHttpClient> http;
  std::shared_ptr<Outbox> outbox;
  std::shared_ptr<FakeVendor> vendor;
  std::vector<std::pair<QueueId, Flag>> flags{{kNotes.queue, Flag::on()},
                                              {kMemos.queue, Flag::on()}};
  NewRateGate rate_gate;
  Config config;
  LogLines lines;
  std::optional<Tracker> tracker;
  bool hanging = false;
};

}  // namespace postbox::tests

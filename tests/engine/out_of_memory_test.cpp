// Every allocation of the engine fails once: nothing leaves the library, and nothing is lost.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>
#include <utility>

#include "support/engine_harness.hpp"

namespace {

// How many allocations of this thread succeed before one fails; negative when none shall.
thread_local long remaining = -1;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (remaining >= 0 && remaining-- == 0) throw std::bad_alloc();
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

// Out of line: gcc 12 else takes the calls of malloc and free for a mismatch.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace postbox::tests {
namespace {

// Runs `work` with its allocation number `n` failing. Returns whether it has so many.
template <class Work>
bool without(long n, Work work) {
  remaining = n;
  work();
  return std::exchange(remaining, -1) < 0;
}

// The network is not under test: it keeps its promises.
class CalmClient final : public HttpClient {
 public:
  explicit CalmClient(std::shared_ptr<HttpClient> real) : real_(std::move(real)) {}

  Result<TransferId> start(HttpRequest request) override {
    const long before = std::exchange(remaining, -1);
    auto started = real_->start(std::move(request));
    remaining = before;
    return started;
  }
  std::vector<HttpCompletion> poll(std::chrono::nanoseconds max_wait) override {
    const long before = std::exchange(remaining, -1);
    auto finished = real_->poll(max_wait);
    remaining = before;
    return finished;
  }
  void wake() noexcept override { real_->wake(); }
  void cancel_all() noexcept override { real_->cancel_all(); }

 private:
  std::shared_ptr<HttpClient> real_;
};

class OutOfMemory : public EngineHarness {
 protected:
  void SetUp() override {
    config.max_in_flight = 4;  // a slot that never ends is noticed soon
    start();
    tracker.reset();
    auto started = Tracker::start(
        config.validate().value(),
        {.destination = vendor, .flags = flags, .reload = [this] { return reloaded(); }},
        {.outbox = outbox,
         .http = std::make_shared<CalmClient>(http),
         .clock = clock,
         .random = seeded_random(7),
         .threads = false});
    tracker.emplace(*std::move(started));
    tracker->run_once();
  }
};

TEST_F(OutOfMemory, TrackRefusesTheEventAndCountsIt) {
  const std::string text(100, 'x');
  long n = 0;
  std::uint64_t accepted = 0;
  for (bool failed = true; failed; ++n) {
    const Note note{text + std::to_string(n), "1", 3};
    failed = without(n, [&] {
      const TrackResult result = tracker->track(note);
      accepted += result ? 3 : 0;
      EXPECT_TRUE(result || result.status() == TrackStatus::kRejected) << "allocation " << n;
    });
    const Stats stats = tracker->stats();
    EXPECT_EQ(stats.accepted, accepted);
    EXPECT_EQ(stats.offered, 3 * (static_cast<std::uint64_t>(n) + 1));
  }
  EXPECT_GT(n, 3) << "no allocation failed";
  run_for(seconds(1));
  EXPECT_EQ(tracker->stats().delivered, accepted);
}

TEST_F(OutOfMemory, ACallThatIsSwitchedOffIsAnswered) {
  flags[0].second = Flag::parse("50%").value();
  ASSERT_TRUE(tracker->reload());
  for (long n = 0; n < 10; ++n) {
    TrackStatus status{};
    without(n, [&] { status = tracker->track(Note{"a", "99"}).status(); });
    EXPECT_EQ(status, TrackStatus::kDisabled) << "allocation " << n;
  }
}

TEST_F(OutOfMemory, AStepThatFailsAnywhereLosesNothingAndKeepsNoSlot) {
  std::uint64_t tracked = 0;
  for (const int status : {202, 503, 429, 400}) {
    http->on_request([status](const HttpRequest& request) {
      return ScriptedHttpClient::answer(request.body.starts_with("first") ? status : 202);
    });
    bool failed = true;
    for (long n = 0; failed; ++n) {
      ASSERT_LT(n, 1'000);
      ASSERT_EQ(track("first" + std::to_string(n)), TrackStatus::kAccepted);
      ASSERT_EQ(track("other" + std::to_string(n)), TrackStatus::kAccepted);
      tracked += 2;
      failed = without(n, [&] {
        for (int step = 0; step < 6; ++step) clock->advance(tracker->run_once() - clock->now());
      });
    }
    http->on_request([](const HttpRequest&) { return ScriptedHttpClient::answer(202); });
    run_for(10 * config.lease);
    const Stats stats = tracker->stats();
    ASSERT_EQ(stats.delivered + stats.dead, tracked) << "status " << status << describe(stats);
  }
}

}  // namespace
}  // namespace postbox::tests

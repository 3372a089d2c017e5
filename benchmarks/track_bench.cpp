// What track() costs the request that calls it: nanoseconds and allocations on the caller's thread.
// Arguments: calls.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <klaviyo/klaviyo.hpp>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <postbox/event.hpp>
#include <postbox/services.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "figures.hpp"
#include "shoppers.hpp"

namespace {
thread_local std::size_t allocations = 0;
}

// gcc sees malloc() and free() behind operators that it takes for the standard ones.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace postbox::bench {
namespace {

using Nanoseconds = std::vector<std::int64_t>;

constexpr std::size_t kRound = 2'000;

struct Measured {
  Nanoseconds each;
  double allocations = 0;  // in all

  [[nodiscard]] double quantile(double q) {
    std::ranges::sort(each);
    return static_cast<double>(
        each[static_cast<std::size_t>(q * static_cast<double>(each.size() - 1))]);
  }
};

// Adds `calls` calls to `measured`.
template <class Call>
void time_calls(std::size_t calls, Measured& measured, Call call) {
  measured.each.reserve(measured.each.size() + calls);
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call(i);
    measured.each.push_back((std::chrono::steady_clock::now() - start).count());
  }
  measured.allocations += static_cast<double>(allocations - before);
}

// A tracker whose workers do not run, so that only the caller's part is measured.
Tracker make_tracker(const char* flag) {
  klaviyo::Config config;
  config.api_key = "pk_benchmark";
  config.engine.outbox.url = "memory:";
  config.engine.max_queued_events = 10'000'000;
  config.engine.max_queued_bytes = mebibytes(8'192);
  config.engine.log_level = LogLevel::kOff;
  const Flag on = Flag::parse(flag).value();
  for (const Family& family : klaviyo::kFamilies) config.set(family, on);
  Services services{.http = std::make_shared<testing::ScriptedHttpClient>(), .threads = false};
  return klaviyo::start(std::move(config), std::move(services)).value();
}

// The least: the same bytes copied into a string of their own and put under a lock.
void time_floor(std::size_t calls, Measured& measured, const std::string& payload) {
  std::mutex mutex;
  std::vector<std::string> queue;
  queue.reserve(calls);
  time_calls(calls, measured, [&](std::size_t) {
    std::string copy;
    copy.reserve(payload.size());
    for (std::size_t at = 0; at < payload.size(); at += 20) copy.append(payload, at, 20);
    const std::lock_guard lock(mutex);
    queue.push_back(std::move(copy));
  });
}

template <class Event>
std::pair<std::size_t, std::string> encoded(const Event& event) {
  EventBatch batch{WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 22))};
  event.encode(batch);
  std::string all;
  for (const EventRecord& record : batch.records()) all += record.payload;
  return {batch.records().size(), all};
}

template <class Make, class Event>
void report(const std::string& name, std::size_t calls, Make make, Event event) {
  const auto [events, payload] = encoded(event(make(0)));
  Measured floor;
  Measured on;
  // In rounds, whose memory the next one uses again, as in a server that has run for a while.
  for (std::size_t round = 0; round < calls / kRound; ++round) {
    Tracker tracker = make_tracker("true");
    std::vector<decltype(make(0))> inputs;
    for (std::size_t i = 0; i < kRound; ++i) inputs.push_back(make(round * kRound + i));
    time_floor(kRound, floor, payload);
    time_calls(kRound, on, [&](std::size_t i) { tracker.track(event(std::move(inputs[i]))); });
  }
  const auto per_event = static_cast<double>(events);
  const std::string what = "track(), " + name + " (" + std::to_string(events) + " events, " +
                           std::to_string(payload.size()) + " bytes)";
  figure(what + ": p50 per event", on.quantile(0.5) / per_event, "ns", std::nullopt, 2'000);
  figure(what + ": p50", on.quantile(0.5), "ns", floor.quantile(0.5), std::nullopt);
  figure(what + ": p99", on.quantile(0.99), "ns", std::nullopt, 25'000);
  figure(what + ": allocations per event",
         on.allocations / static_cast<double>(on.each.size()) / per_event, "allocations",
         std::nullopt, 2);
}

void report_off(std::size_t calls) {
  Tracker tracker = make_tracker("false");
  const auto event = klaviyo::cart_updated(make_cart(1));
  Measured off;
  time_calls(calls, off, [&](std::size_t) { tracker.track(event); });
  figure("track() with its flag off: p50", off.quantile(0.5), "ns", std::nullopt, 100);
  figure("track() with its flag off: allocations", off.allocations, "allocations", std::nullopt, 0);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  const std::size_t calls = argc > 1 ? std::stoul(argv[1]) : 100'000;
  report("a cart of three lines", calls, make_cart,
         [](klaviyo::Cart cart) { return klaviyo::cart_updated(std::move(cart)); });
  report("an order of three lines", calls, make_order,
         [](klaviyo::Order order) { return klaviyo::order_placed(std::move(order)); });
  report_off(calls);
}

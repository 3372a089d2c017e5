// The quiet hour of a shop: single calls of track() with pauses between them, while the
// workers run, write to a real disk and post to klaviyo-sim. Beside each the least: the same bytes
// appended to a string and pushed into a queue without a lock, in the same rhythm.
// Arguments: seconds for each rhythm.
#include <algorithm>
#include <atomic>
#include <klaviyo/klaviyo.hpp>
#include <string>
#include <vector>

#include <postbox/event.hpp>

#include "figures.hpp"
#include "pace.hpp"
#include "shoppers.hpp"
#include "support/program.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// A stack, which many may push to, and nobody waits.
class Stack {
 public:
  void push(std::string text) {
    auto* node = new Node{std::move(text), head_.load(std::memory_order_relaxed)};
    while (!head_.compare_exchange_weak(node->next, node, std::memory_order_release)) {
    }
  }
  ~Stack() {
    for (Node* node = head_; node != nullptr;) delete std::exchange(node, node->next);
  }

 private:
  struct Node {
    std::string text;
    Node* next;
  };
  std::atomic<Node*> head_{nullptr};
};

Measured pace_floor(std::size_t calls, nanoseconds apart, const std::string& payload) {
  Stack stack;
  return pace(calls, apart, [&](std::size_t) {
    std::string copy;
    copy.reserve(payload.size());
    for (std::size_t at = 0; at < payload.size(); at += 20) copy.append(payload, at, 20);
    stack.push(std::move(copy));
  });
}

klaviyo::Config config_for(const std::string& folder, const std::string& url) {
  klaviyo::Config config;
  config.api_key = "pk_benchmark";
  config.api_url = url;
  config.engine.outbox.url = "sqlite:" + folder + "/outbox.db";
  config.engine.log_level = LogLevel::kError;
  for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
  return config;
}

void report(std::size_t rate, std::chrono::seconds time, bool durably) {
  const std::size_t calls = rate * static_cast<std::size_t>(time.count());
  const nanoseconds apart = nanoseconds(1s) / static_cast<std::int64_t>(rate);
  const tests::TemporaryFolder folder;
  const tests::Program sim("klaviyo-sim", {"--port", "0", "--no-limits"}, {});
  Tracker tracker = klaviyo::start(config_for(folder.path(), sim.url())).value();
  const auto call = [&](std::size_t i) {
    const auto event = klaviyo::order_placed(make_short_order(i));
    durably ? (void)tracker.track_durably(event, 10s) : (void)tracker.track(event);
  };
  call(calls);  // connected, and every table made
  tracker.flush(10s);

  Measured floor = pace_floor(calls, apart, payload_of(klaviyo::order_placed(make_short_order(0))));
  std::vector<klaviyo::PurchaseEvents> events;
  for (std::size_t i = 0; i < calls; ++i)
    events.push_back(klaviyo::order_placed(make_short_order(i)));
  const Usage before = Usage::now();
  Measured on = pace(calls, apart, [&](std::size_t i) {
    durably ? (void)tracker.track_durably(events[i], 10s) : (void)tracker.track(events[i]);
  });
  tracker.flush(30s);
  const Usage after = Usage::now();
  if (tracker.stats().delivered < calls) std::exit(1);

  const auto n = static_cast<double>(calls);
  const std::string name = std::string(durably ? "track_durably()" : "track()") + " at " +
                           std::to_string(rate) + " a second: ";
  const std::optional<double> none;
  const std::optional<double> goal = durably ? none : std::optional(2.0);
  for (const auto& [what, q] : {std::pair("p50", 0.5), {"p99", 0.99}, {"p99.9", 0.999}}) {
    figure(name + what, on.quantile(q) / 1e3, "us", floor.quantile(q) / 1e3,
           q < 0.999 ? goal : none);
  }
  figure(name + "CPU of a delivered event, net of the caller",
         (after.cpu_us - before.cpu_us - (after.driver_us - before.driver_us)) / n, "us", none,
         none);
  figure(name + "CPU of a call", (after.driver_us - before.driver_us) / n, "us", none, none);
  figure(name + "context switches of a delivered event", (after.switches - before.switches) / n,
         "switches", none, none);
  figure(name + "written for a delivered event", (after.written - before.written) / n / 1e3, "KB",
         none, rate == 50 && !durably ? std::optional(12.0) : none);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::chrono::seconds time(argc > 1 ? std::stoi(argv[1]) : 10);
  for (const std::size_t rate : {5, 50, 500}) report(rate, time, /*durably=*/false);
  report(50, time, /*durably=*/true);
}

// How well a backlog uses the account's quota: whole engines against a model of the API's windows,
// on virtual time. Arguments: events of the large backlog.
#include <map>
#include <random>
#include <string>
#include <vector>

#include "figures.hpp"
#include "support/virtual_shops.hpp"

namespace postbox::bench {
namespace {

using namespace std::chrono_literals;
using tests::kMemos;
using tests::kNotes;
using tests::VirtualShops;

constexpr double kBulkPerMinute = 150;
constexpr double kEventsPerBulk = 1'000;

double seconds_of(SteadyTime::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Seconds until everything is recorded.
double drain(VirtualShops& shops, std::size_t events) {
  const SteadyTime start = shops.clock->now();
  shops.run_until([&] { return shops.account->recorded() >= events; });
  return seconds_of(shops.clock->now() - start);
}

double percent(const tests::AccountModel::Counts& counts) {
  return 100.0 * static_cast<double>(counts.refused) / static_cast<double>(counts.requests);
}

void alone(std::size_t events) {
  VirtualShops shops({.share = 900, .phase = 23'400ms});
  shops.add_backlog(0, events);
  const double floor = static_cast<double>(events) / (0.9 * kBulkPerMinute * kEventsPerBulk) * 60;
  figure("drain, alone: a backlog of " + std::to_string(events) + " events", drain(shops, events),
         "s", floor, 1 / 0.98);
  figure("drain, alone: 429 answers", static_cast<double>(shops.account->ours.refused), "requests",
         std::nullopt, 0);
  figure("drain, alone: events recorded twice", static_cast<double>(shops.account->duplicates),
         "events", std::nullopt, 0);
}

void add_foreign_users(VirtualShops& shops) {
  for (std::uint64_t user = 0; user < 3; ++user) {
    auto random = std::make_shared<std::mt19937_64>(user);
    shops.schedule(shops.clock->now(), [&shops, random](SteadyTime now) {
      shops.account->take_foreign(1, now);
      return now + std::chrono::milliseconds(1'000 + (*random)() % 4'000);
    });
  }
}

void in_company(std::size_t events) {
  VirtualShops shops({.share = 900, .phase = 23'400ms});
  shops.add_backlog(0, events);
  add_foreign_users(shops);
  const double took = drain(shops, events);
  const double foreign = static_cast<double>(shops.account->foreign.requests);
  const double left_per_second = kBulkPerMinute / 60 - foreign / took;
  figure("drain, three foreign users: a backlog of " + std::to_string(events) + " events", took,
         "s", static_cast<double>(events) / kEventsPerBulk / left_per_second, 1 / 0.9);
  figure("drain, three foreign users: our 429 answers", percent(shops.account->ours), "%",
         std::nullopt, 0.1);
}

// `share` is that of each process, in thousandths.
void many_processes(const std::string& name, std::uint32_t share, double allowed_per_minute,
                    std::size_t events, std::optional<double> most_refused) {
  VirtualShops shops({.processes = 50, .share = share, .phase = 23'400ms});
  for (std::size_t i = 0; i < shops.size(); ++i) shops.add_backlog(i, events / shops.size());
  const double floor = static_cast<double>(events) / (allowed_per_minute * kEventsPerBulk) * 60;
  figure("drain, 50 processes, " + name, drain(shops, events), "s", floor, std::nullopt);
  figure("drain, 50 processes, " + name + ": 429 answers", percent(shops.account->ours), "%",
         std::nullopt, most_refused);
}

struct Latencies {
  std::vector<double> seconds;
  [[nodiscard]] double quantile(double q) {
    if (seconds.empty()) return 0;
    std::ranges::sort(seconds);
    return seconds[static_cast<std::size_t>(q * static_cast<double>(seconds.size() - 1))];
  }
};

// Orders and carts over a day, with a sale of ten minutes, while another run's backfill drains.
void day_of_traffic(std::chrono::hours length) {
  VirtualShops shops({.share = 900});
  std::unordered_map<std::string, SteadyTime> tracked;
  std::map<char, Latencies> latencies;
  std::size_t waiting = 0;
  shops.account->on_recorded = [&](const std::string& event, SteadyTime now) {
    const auto found = tracked.find(event);
    if (found == tracked.end()) return;
    latencies[event.front()].seconds.push_back(seconds_of(now - found->second));
    tracked.erase(found);
    --waiting;
  };
  shops.add_backlog(0, 50'000, kMemos);
  std::mt19937_64 random(1);
  std::size_t next = 0;
  const SteadyTime start = shops.clock->now();
  const SteadyTime sale = start + length / 2;
  bool open = true;
  shops.schedule(start, [&](SteadyTime now) {
    open = now < start + length;
    if (!open) return SteadyTime::max();
    const bool cart = next % 4 != 0;
    const std::string text = (cart ? "cart " : "order ") + std::to_string(next++);
    tracked[text] = now;
    ++waiting;
    shops.track(0, text, cart ? kMemos : kNotes);
    const bool rush = now >= sale && now < sale + 10min;
    const std::uint64_t pause = rush ? 10 : 4'000;  // up to 200 events in a second, or one in two
    return now + std::chrono::microseconds(random() % (pause * 1'000));
  });
  shops.run_until([&] { return !open && waiting == 0; });
  figure("a day with a flash sale: orders, p99 to the API", latencies['o'].quantile(0.99), "s",
         std::nullopt, std::nullopt);
  figure("a day with a flash sale: orders, slowest", latencies['o'].quantile(1), "s", std::nullopt,
         std::nullopt);
  figure("a day with a flash sale: carts, p99 to the API", latencies['c'].quantile(0.99), "s",
         std::nullopt, std::nullopt);
  figure("a day with a flash sale: 429 answers", static_cast<double>(shops.account->ours.refused),
         "requests", std::nullopt, 0);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::size_t events = argc > 1 ? std::stoul(argv[1]) : 1'000'000;
  const bool quick = events < 1'000'000;
  alone(events);
  in_company(events / 5);
  many_processes("share 0.9 each, unaware of each other", 900, 150, events / 2, std::nullopt);
  many_processes("share 0.9 divided among them", 18, 100, events / 2, 0.1);
  day_of_traffic(std::chrono::hours(quick ? 2 : 24));
}

// The end of a life: the world is mended and comes to rest, and what is found then.
#include <algorithm>
#include <stdexcept>

#include "world.hpp"

namespace postbox::simulation {

void World::mend() {
  review_books();
  long_read_.end();
  const Sky before = sky();
  sky() = Sky{.notes = before.notes, .memos = before.memos};
  if (sky().notes.is_off()) sky().notes = Flag::on();
  vendor_.has_bugs = false;
  for (Shop& shop : shops_) {
    if (shop.far) shop.far->mood = tests::FarStore::Mood::kThere;
  }
  disk().write_error = SQLITE_OK;
  record_disk_state();
  reload();
}

void World::switch_on() {
  review_books();
  sky().notes = sky().memos = Flag::on();
  reload();
}

void World::come_to_rest() {
  for (int i = 0; i < 36 && !is_at_rest(); ++i) pass(minutes(5));
}

bool World::is_at_rest() {
  const bool some_held = !sky().notes.is_on() || !sky().memos.is_on();
  return std::ranges::all_of(shops_, [some_held](Shop& shop) {
    const Stats stats = shop.tracker->stats();
    return stats.complete && stats.waiting + stats.in_flight + stats.timers_pending == 0 &&
           (some_held || stats.held == 0);
  });
}

std::size_t World::wakes_at_rest() {
  constexpr std::size_t kEachSecond = 35;
  const auto asked = shops_.front().outbox->append({});
  const bool nearly_full = !asked || asked->fullness >= 900;
  return 10 + kEachSecond * (shops_.size() - 1 + (nearly_full ? shops_.size() : 0));
}

void World::look_for_rest() {
  constexpr int kWindows = 8;
  constexpr seconds kWindow{30};
  std::size_t steps = 0;
  for (int i = 0; i < kWindows; ++i) {
    const std::uint64_t writes = disk().writes;
    const std::size_t requests = vendor_.requests;
    steps = pass(kWindow);
    const bool quiet = disk().writes == writes && vendor_.requests == requests;
    if (quiet && steps <= wakes_at_rest()) return;
  }
  problems_.push_back("never at rest: " + std::to_string(steps) + " steps in 30 s");
}

void World::order_behind_a_backlog() {
  constexpr std::size_t kBacklog = 200;
  review_books();
  sky().key_works = false;
  Shop& shop = shops_.front();
  for (std::size_t i = 0; i < kBacklog; ++i) {
    while (next_event_ % 3 != 0) ++next_event_;
    offer_one(shop, "event", false);
    if (i % 10 == 9) pass(milliseconds(20));
  }
  pass(seconds(1));
  while (next_event_ % 3 == 0) ++next_event_;
  const std::string order = offer_one(shop, "event", false);
  review_books();
  sky().key_works = true;
  reload();
  const std::size_t before = vendor_.requests;
  for (int i = 0; i < 1'200 && !vendor_.recorded.contains(order); ++i) pass(milliseconds(100));
  if (known_.contains(order) && vendor_.departed[order].request - before >= kBacklog / 2) {
    problems_.push_back("what matters most waited for the whole backlog");
  }
  pass(minutes(10));
}

void World::read_for_long() {
  constexpr std::size_t kLarge = 200'000;
  Shop& shop = shops_.front();
  long_read_.begin(around_.path);
  const std::uint64_t full = shop.outbox->says_full;
  for (int i = 0; i < 300 && shop.outbox->says_full == full; ++i) {
    offer_one(shop, "event", false, kLarge);
    pass(milliseconds(300));
  }
  pass(minutes(roll(10)));
  long_read_.end();
  tight_until_ = clock().now() + seconds(30);
  pass(minutes(2));
  for (int i = 0; i < 5; ++i) offer_one(shop, "event", true);
  come_to_rest();
}

std::size_t World::pass(std::chrono::nanoseconds time) {
  constexpr std::size_t kMost = 20'000;
  const SteadyTime end = clock().now() + time;
  std::size_t steps = 0;
  for (; clock().now() < end; ++steps) {
    SteadyTime next = end;
    for (Shop& shop : shops_) {
      next = std::min({next, shop.tracker->run_once(), shop.network->next()});
      if (shop.outbox->says_full > shop.full_seen && has_room()) {
        if (problems_.size() < 5) problems_.push_back("the store says full and has room");
      }
      shop.full_seen = shop.outbox->says_full;
    }
    if (next > clock().now()) clock().advance(next - clock().now());
    if (steps > kMost) throw std::runtime_error("the engine spins");
  }
  return steps;
}

std::vector<std::string> World::problems_at_vendor() const {
  std::vector<std::string> found;
  for (const std::string& event : vendor_.in_flight_twice) {
    found.push_back("sent while it was being sent: " + event);
  }
  for (const auto& [event, at] : vendor_.recorded) {
    if (!known_.contains(event)) found.push_back("never offered: " + event);
  }
  return found;
}

std::vector<std::string> World::problems_of_shops() {
  std::vector<std::string> found;
  for (Shop& shop : shops_) {
    const Stats stats = shop.tracker->stats();
    if (!stats.complete) found.push_back("the outbox cannot be read");
    if (!stats.conserved() && shops_.size() == 1) found.push_back("not conserved");
    if (stats.waiting + stats.in_flight + stats.held > 0) {
      found.push_back("something still waits");
    }
  }
  const auto stored = shops_.front().outbox->stats();
  const auto letters = shops_.front().outbox->dead({}, EventHandle{0}, 10'000);
  if (!stored || !letters) {
    found.push_back("the outbox cannot be read");
    return found;
  }
  std::uint64_t dead = 0;
  for (const QueueStats& queue : stored->queues) dead += queue.dead;
  if (stored->timers_pending > 0) found.push_back("a timer still runs");
  const OutboxTotals& totals = stored->totals;
  if (totals.appended + totals.fired != totals.delivered + totals.purged + totals.expired + dead) {
    found.push_back("the outbox's own count does not add up");
  }
  if (stored->used.count > kEmptyStore + 2'000 * dead) {
    found.push_back("what is left takes " + std::to_string(stored->used.count) + " bytes");
  }
  for (const DeadLetter& letter : *letters) {
    const Nature nature = nature_of(letter.record.payload);
    const bool given_up = letter.reason.starts_with("given up after");
    if (nature != Nature::kGood && given_up != is_refused(nature)) continue;
    found.push_back("dead: " + letter.record.payload.substr(0, 40) + ": " + letter.reason);
  }
  return found;
}

}  // namespace postbox::simulation

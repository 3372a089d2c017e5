// Happenings of a World, and how often each comes.
#include "world.hpp"

#include <postbox/operator.hpp>
#include <utility>

namespace postbox::simulation {

const std::array<World::Happening, 24> World::kHappenings{{
    {Trouble::kCount, 28, &World::offer},
    {Trouble::kCount, 2, &World::offer_again},
    {Trouble::kCount, 10, &World::shop_around},
    {Trouble::kCount, 36, &World::wait_a_while},
    {Trouble::kCount, 3, &World::crash},
    {Trouble::kCount, 3, &World::lose_power},
    {Trouble::kCount, 2, &World::reload},
    {Trouble::kWeather, 5, &World::change_weather},
    {Trouble::kBadDisk, 4, &World::spoil_disk},
    {Trouble::kWrongKey, 2, &World::change_key},
    {Trouble::kFlags, 2, &World::change_flags},
    {Trouble::kClockJumps, 2, &World::set_clock},
    {Trouble::kLanes, 6, &World::change_lane},
    {Trouble::kEdge, 4, &World::change_edge},
    {Trouble::kSlowUplink, 3, &World::change_uplink},
    {Trouble::kSlowUplink, 2, &World::send_much},
    {Trouble::kLongReads, 3, &World::change_long_read},
    {Trouble::kRollout, 4, &World::roll_out},
    {Trouble::kHistory, 6, &World::import_history},
    {Trouble::kDeadInNumber, 4, &World::offer_bad_ones},
    {Trouble::kProfiles, 10, &World::update_profiles},
    {Trouble::kOperator, 3, &World::operate},
    {Trouble::kImpatience, 6, &World::wait_for_long},
    {Trouble::kFarStore, 4, &World::change_store},
}};

World::World(std::uint64_t seed, const std::string& folder, Sabotage sabotage)
    : random_(seed),
      around_{.path = folder + "/outbox.db", .sabotage = sabotage, .random = random_} {
  around_.climate = Climate::from(random_);
  disk().format(seed);
  disk().ignore_syncs = sabotage == Sabotage::kNoSync;
  for (const Happening& one : kHappenings) {
    if (one.needs == Trouble::kCount || has(one.needs)) weights_ += one.weight;
  }
  // One that sees the database first would send what another one's spill ends.
  shops_.resize(has(Trouble::kFarStore) ? 1 : 1 + random_() % 2);
  for (Shop& shop : shops_) shop.open(around_, vendor_);
}

void World::live(int steps) {
  for (int i = 0; i < steps; ++i) happen();
  mend();
  come_to_rest();
  if (!sky().notes.is_on()) look_for_rest();
  switch_on();
  come_to_rest();
  if (roll(8) == 0) order_behind_a_backlog();
  if (has(Trouble::kLongReads) && roll(8) == 0) read_for_long();
  look_for_rest();
  review_books();
}

std::vector<std::string> World::problems() {
  std::vector<std::string> found = problems_;
  const auto add = [&found](std::vector<std::string> more) {
    found.insert(found.end(), more.begin(), more.end());
  };
  add(carts_.problems(vendor_));
  add(books_.problems(vendor_));
  add(profiles_.problems(vendor_));
  add(problems_at_vendor());
  add(problems_of_shops());
  return found;
}

std::size_t World::most_takes() const {
  std::size_t most = 0;
  for (const auto& [event, takes] : vendor_.takes) {
    if (nature_of(event) == Nature::kGood && books_.knows(event)) most = std::max(most, takes);
  }
  return most;
}

void World::happen() {
  std::uint64_t left = roll(weights_);
  for (const Happening& one : kHappenings) {
    if (one.needs != Trouble::kCount && !has(one.needs)) continue;
    if (left < one.weight) return (this->*one.act)();
    left -= one.weight;
  }
}

void World::review_books() {
  sky().has_room = has_room();
  books_.review(vendor_, sky(), clock().now());
}

void World::wait_a_while() {
  const bool is_long = roll(is_disk_bad() ? 50 : 10) == 0;
  pass(milliseconds(roll(is_long ? 200'000 : 2'000)));
}

void World::change_weather() {
  review_books();
  sky().bad_weather = !sky().bad_weather;
}

void World::spoil_disk() {
  static constexpr int kErrors[] = {SQLITE_OK, SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};
  review_books();
  disk().write_error = kErrors[roll(std::size(kErrors))];
  disk().error_in = 1 + roll(20);
  record_disk_state();
}

void World::record_disk_state() {
  sky().disk_works = !is_disk_bad();
  tight_until_ = clock().now() + minutes(2);
}

void World::change_store() {
  using Mood = tests::FarStore::Mood;
  review_books();
  bool& is_there = sky().store_is_there;
  is_there = !is_there;
  const Mood mood = is_there ? Mood::kThere : roll(2) == 0 ? Mood::kAway : Mood::kLosesAnswers;
  for (Shop& shop : shops_) shop.far->mood = mood;
  tight_until_ = clock().now() + minutes(2);
}

void World::change_key() {
  review_books();
  sky().key_works = !sky().key_works;
  reload();
}

void World::change_flags() {
  review_books();
  Flag& flag = roll(3) == 0 ? sky().memos : sky().notes;
  flag = flag.is_on() ? Flag::off() : Flag::on();
  reload();
}

void World::roll_out() {
  review_books();
  if (roll(6) == 0 && !is_disk_bad() && !floods_++) {
    sky().notes = Flag::on();
    const bool key = std::exchange(sky().key_works, false);
    reload();
    for (int i = 0; i < 3'900; ++i) offer_one(shops_.front(), "event", false);
    pass(seconds(1));
    review_books();
    sky().key_works = key;
  }
  sky().notes = Flag::parse(std::to_string(roll(60)) + "%").value();
  reload();
}

void World::set_clock() {
  review_books();
  const milliseconds jump = milliseconds(roll(7'200'000)) - hours(1);
  clock().jump_wall(jump);
  if (jump.count() < 0) carts_.clock_was_set_back(clock().now());
  books_.clock_was_set(clock().now(), jump);
}

void World::change_lane() {
  review_books();
  LaneFault& lane = sky().lanes.at(roll(kLanes));
  if (lane != LaneFault::kNone) {
    lane = LaneFault::kNone;
    return;
  }
  // An event that is tried for hours on the one lane left to it is given up, and rightly.
  if (has(Trouble::kImpatience) && &lane != &sky().lanes.at(kBulkLane)) return;
  lane = static_cast<LaneFault>(1 + roll(5));
}

void World::change_edge() {
  static constexpr int kStatuses[] = {200, 400, 402, 403, 405, 407, 409,
                                      413, 421, 425, 431, 451, 502};
  review_books();
  if (sky().edge) {
    sky().edge.reset();
    return;
  }
  const int status = kStatuses[roll(std::size(kStatuses))];
  if (has(Trouble::kImpatience) && (status == 403 || status == 502)) return;
  sky().edge = status;
}

void World::change_uplink() {
  review_books();
  sky().uplink = sky().uplink > 0 ? 0 : 20'000 + roll(100'000);
}

void World::send_much() {
  if (sky().uplink == 0) return;
  Shop& shop = any_shop();
  for (int i = 0; i < 300; ++i) offer_one(shop, "event", false, kLongEvent);
}

void World::change_long_read() {
  if (!long_read_.is_open()) return long_read_.begin(around_.path);
  long_read_.end();
  tight_until_ = clock().now() + minutes(2);
}

void World::import_history() {
  Shop& shop = any_shop();
  for (int i = 0; i < 40; ++i) {
    CartStep order;
    order.number = next_event_++;
    order.cart = 1'000 + order.number;
    order.is_order = true;
    order.as_of = clock().wall_now() - hours(24 * 730);
    take(shop, order, order.text(), 0, false);
  }
}

void World::offer_bad_ones() {
  Shop& shop = any_shop();
  for (std::uint64_t i = 0, count = 20 + roll(100); i < count; ++i) {
    offer_one(shop, "poison", false);
  }
}

void World::offer() {
  Shop& shop = any_shop();
  const std::size_t count = roll(25) == 0 ? 300 : 1 + roll(3);
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view nature = roll(40) == 0 ? "poison" : "event";
    if (has(Trouble::kPoison) && roll(30) == 0) nature = kNatures.at(1 + roll(6));
    offer_one(shop, nature, roll(2) == 0);
  }
}

void World::offer_again() {
  if (next_event_ == 0) return;
  const ShopEvent event{"event " + std::to_string(roll(next_event_))};
  if (books_.knows(event.text)) take(any_shop(), event, event.text, event.profile(), true);
}

std::string World::offer_one(Shop& shop, std::string_view nature, bool durably,
                             std::size_t padding) {
  const ShopEvent event{std::string(nature) + " " + std::to_string(next_event_++), padding};
  take(shop, event, event.text, event.profile(), durably, padding);
  return event.text;
}

template <class Event>
bool World::take(Shop& shop, const Event& event, const std::string& text, int profile, bool durably,
                 std::size_t padding) {
  const TrackStatus status = durably ? shop.tracker->track_durably(event, at_once()).status()
                                     : shop.tracker->track(event).status();
  const bool is_kept = status == TrackStatus::kAccepted || status == TrackStatus::kNotDurable;
  const bool promised = durably && status == TrackStatus::kAccepted;
  if (status == TrackStatus::kFull) judge_refusal(shop, text);
  if (is_kept) {
    ++shop.accepted;
    record(shop, event, text, profile, promised, padding);
  }
  if (promised) carts_.stored_until_now(number_of(shop), clock().now());
  return promised;
}

milliseconds World::at_once() {
  return -std::chrono::floor<milliseconds>(clock().now().time_since_epoch());
}

template <class Event>
void World::record(const Shop& shop, const Event& event, const std::string& text, int profile,
                   bool promised, std::size_t padding) {
  known_.insert(text);
  if constexpr (std::is_same_v<Event, ShopEvent>) {
    books_.offered(text, {.family = &event.family(),
                          .profile = profile,
                          .shop = number_of(shop),
                          .bytes = text.size() + padding,
                          .promised = promised,
                          .clear_since = clock().now()});
  }
}

std::size_t World::number_of(const Shop& shop) const {
  return static_cast<std::size_t>(&shop - shops_.data());
}

void World::judge_refusal(Shop& shop, const std::string& text) {
  const bool is_memory_full = shop.in_memory() * 10 >= around_.climate.max_queued_events * 8;
  if (is_memory_full || !has_room()) return;
  if (problems_.size() < 5) problems_.push_back("refused while there was room: " + text);
}

bool World::has_room() {
  if (is_disk_bad() || long_read_.is_open() || clock().now() < tight_until_) return false;
  if (!sky().store_is_there) return false;
  const auto stored = shops_.front().outbox->stats();
  if (!stored) return false;
  std::uint64_t rows = stored->timers_pending;
  for (const Shop& shop : shops_) rows += shop.in_memory();
  for (const QueueStats& queue : stored->queues) {
    rows += queue.ready + queue.leased + queue.delayed + queue.held;
  }
  const std::uint64_t most = has(Trouble::kSlowUplink) ? kLongEvent + 500 : 500;
  return rows * most * 2 + kEmptyStore < around_.climate.max_disk.count;
}

void World::shop_around() {
  Shop& shop = any_shop();
  for (std::size_t i = 0; i < 1 + roll(3); ++i) {
    const CartStep step = Carts::next(next_event_++, random_, clock().wall_now(), around_.climate);
    if (!step.is_order) known_.insert(step.abandoned());
    const bool promised = take(shop, step, step.text(), 0, roll(2) == 0);
    carts_.happened(number_of(shop), step, promised, clock().now(), clock().wall_now());
  }
}

void World::update_profiles() {
  Shop& shop = any_shop();
  for (std::size_t i = 0; i < 1 + roll(4); ++i) {
    const ProfileUpdate update = Profiles::next(random_, clock().wall_now());
    const TrackStatus status = shop.tracker->track_durably(update, at_once()).status();
    if (status == TrackStatus::kAccepted || status == TrackStatus::kNotDurable) {
      ++shop.accepted;
      known_.insert(update.text());
      profiles_.happened(number_of(shop), update, status == TrackStatus::kAccepted);
    }
  }
}

void World::operate() {
  Tracker& tracker = *any_shop().tracker;
  if (roll(2) == 0) return reload();
  if (roll(2) == 0) return (void)tracker.replay({}).has_value();
  const std::uint64_t profile = roll(97);
  // Also when it fails: a commit that failed at its last step may be in the log all the same.
  (void)tracker.forget(tests::key_of(std::to_string(profile))).has_value();
  books_.forgotten(static_cast<int>(profile));
  profiles_.forgotten(profile);
}

void World::die() {
  disk().gone = true;
  for (Shop& shop : shops_) shop.close();
  long_read_.end();
  disk().gone = false;
  disk().dies_in = 0;
}

void World::restart(bool power_cut) {
  review_books();
  disk().dies_in = roll(2) == 0 ? 0 : 1 + roll(60);
  if (disk().dies_in > 0) {
    offer();
    pass(milliseconds(roll(100)));
  }
  die();
  if (power_cut) disk().cut_power();
  for (std::size_t i = 0; i < shops_.size(); ++i) {
    books_.died(i);
    carts_.died(i);
  }
  for (Shop& shop : shops_) shop.open(around_, vendor_);
  books_.begin_again(clock().now());
  tight_until_ = clock().now() + minutes(2);
}

void World::reload() {
  for (Shop& shop : shops_) (void)shop.tracker->reload().has_value();
}

}  // namespace postbox::simulation

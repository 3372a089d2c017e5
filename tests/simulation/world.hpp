// World is everything around the engine, drawn from one seed: a vendor, the network to it, a disk,
// a clock, an operator, and callers who offer events. It breaks things, mends them, and then asks
// whether anything was lost or counted twice.
//
// Place:     the simulation's tests.
// Threads:   one; a whole run is a function of its seed.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <postbox/testing/manual_clock.hpp>
#include <postbox/tracker.hpp>

#include "memory_disk.hpp"
#include "support/account_model.hpp"
#include "support/fake_vendor.hpp"

namespace postbox::simulation {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::FakeVendor;
using tests::kMemos;
using tests::kNotes;
using tests::Note;

// What a test breaks on purpose, to see that it is noticed.
enum class Sabotage : std::uint8_t {
  kNone,
  kNoSync,              // the disk is not synced
  kSettleBeforeAnswer,  // a request counts as delivered when it is sent
  kNewIdPerRequest,     // a retry sends another id
};

// The vendor: records an event once, whatever is sent twice.
struct Vendor {
  std::set<std::string> recorded;
  bool key_works = true;

  HttpResponse take(const std::string& body) {
    if (!key_works) return {.status = 401};
    std::vector<std::string> events;
    for (std::size_t begin = 0; begin < body.size();) {
      const std::size_t end = body.find('\n', begin);
      events.push_back(body.substr(begin, end - begin));
      begin = end + 1;
    }
    for (const std::string& event : events) {
      if (event.starts_with("poison")) return {.status = 400};
    }
    recorded.insert(events.begin(), events.end());
    return {.status = 202};
  }
};

// The way there and back. In bad weather requests or answers are lost, late, or replaced.
class Network final : public HttpClient {
 public:
  Network(Vendor& vendor, std::shared_ptr<testing::ManualClock> clock, std::mt19937_64& random,
          const bool& bad_weather, Sabotage sabotage)
      : vendor_(vendor),
        clock_(std::move(clock)),
        random_(random),
        bad_weather_(bad_weather),
        sabotage_(sabotage) {}

  // The process dies: what is on its way arrives, or does not.
  ~Network() override {
    for (const auto& [id, transfer] : transfers_) {
      if (random_() % 2 == 0) (void)vendor_.take(transfer.body);
    }
  }

  Result<TransferId> start(HttpRequest request) override {
    Transfer transfer{
        std::move(request.body), clock_->now() + milliseconds(1 + random_() % 80), {}};
    if (sabotage_ == Sabotage::kSettleBeforeAnswer) {
      done_.push_back({++last_id_, HttpResponse{.status = 202}});
      ghosts_.push_back(std::move(transfer));
      return last_id_;
    }
    transfers_.emplace(++last_id_, std::move(transfer));
    return last_id_;
  }

  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    for (auto it = transfers_.begin(); it != transfers_.end();) {
      if (it->second.at > clock_->now()) {
        ++it;
        continue;
      }
      done_.push_back({it->first, arrive(it->second)});
      it = transfers_.erase(it);
    }
    std::erase_if(ghosts_, [this](const Transfer& ghost) {
      if (ghost.at > clock_->now()) return false;
      (void)arrive(ghost);
      return true;
    });
    return std::exchange(done_, {});
  }

  [[nodiscard]] SteadyTime next() const {
    SteadyTime next = done_.empty() ? SteadyTime::max() : clock_->now();
    for (const auto& [id, transfer] : transfers_) next = std::min(next, transfer.at);
    for (const Transfer& ghost : ghosts_) next = std::min(next, ghost.at);
    return next;
  }

  void wake() noexcept override {}
  void cancel_all() noexcept override {
    transfers_.clear();
    done_.clear();
  }

 private:
  using Outcome = std::variant<HttpResponse, TransportFailure>;
  struct Transfer {
    std::string body;
    SteadyTime at;
    std::optional<Outcome> instead;
  };

  Outcome arrive(const Transfer& transfer) {
    if (!bad_weather_) return vendor_.take(transfer.body);
    switch (random_() % 9) {
      case 0:
        return TransportFailure{TransportFault::kConnect, "refused"};
      case 1:
        (void)vendor_.take(transfer.body);
        return TransportFailure{TransportFault::kReset, "the answer is lost"};
      case 2:
        return HttpResponse{.status = 503};
      case 3:
        (void)vendor_.take(transfer.body);
        return HttpResponse{.status = 504};
      case 4:
        return HttpResponse{.status = 429, .headers = {{"retry-after", "3"}}};
      case 5:
        return TransportFailure{TransportFault::kTimeout, "late"};
      default:
        return vendor_.take(transfer.body);
    }
  }

  Vendor& vendor_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::mt19937_64& random_;
  const bool& bad_weather_;
  Sabotage sabotage_;
  std::map<TransferId, Transfer> transfers_;
  std::vector<Transfer> ghosts_;
  std::vector<HttpCompletion> done_;
  TransferId last_id_ = 0;
};

// A vendor's integration that gives each request another id.
class Forgetful final : public Destination {
 public:
  std::span<const Family> families() const noexcept override { return vendor_.families(); }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return vendor_.lanes(); }
  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    HttpRequest request = vendor_.request(lane, events);
    const std::string id = " again " + std::to_string(++count_);
    if (events.front()->payload.size() % 2 == 0) request.body.insert(request.body.size() - 1, id);
    return request;
  }
  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime now) const override {
    return vendor_.verdict(outcome, events, now);
  }
  std::string type_of(const EventRecord& event) const override { return vendor_.type_of(event); }
  void mark_backfill(EventRecord& event) const override { vendor_.mark_backfill(event); }
  LogLine log_line(const EventRecord&, const Verdict&) const override { return {}; }

 private:
  FakeVendor vendor_{tests::klaviyo_lanes()};
  mutable std::size_t count_ = 0;
};

class World {
 public:
  World(std::uint64_t seed, const std::string& folder, Sabotage sabotage = Sabotage::kNone)
      : random_(seed), path_(folder + "/outbox.db"), sabotage_(sabotage) {
    disk().format(seed);
    disk().ignore_syncs = sabotage == Sabotage::kNoSync;
    shops_.resize(1 + random_() % 2);
    for (Shop& shop : shops_) open(shop);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { die(); }

  // One life: `steps` things happen, then the world is mended and has time to come to rest.
  void live(int steps) {
    for (int i = 0; i < steps; ++i) happen();
    mend();
    pass(hours(3));
  }

  [[nodiscard]] std::vector<std::string> problems() {
    std::vector<std::string> found;
    for (const std::string& event : promised_) {
      const bool poison = event.starts_with("poison");
      if (!poison && !vendor_.recorded.contains(event)) found.push_back("lost: " + event);
    }
    for (const std::string& event : vendor_.recorded) {
      if (!offered_.contains(event)) found.push_back("never offered: " + event);
    }
    for (Shop& shop : shops_) {
      const Stats stats = shop.tracker->stats();
      if (!stats.complete) found.push_back("the outbox cannot be read");
      if (!stats.conserved() && shops_.size() == 1) found.push_back("not conserved");
      if (stats.waiting + stats.in_flight + stats.held > 0)
        found.push_back("something still waits");
    }
    const auto stored = shops_.front().outbox->stats();
    const auto letters = shops_.front().outbox->dead({}, EventHandle{0}, 10'000);
    if (!stored || !letters) {
      found.push_back("the outbox cannot be read");
      return found;
    }
    std::uint64_t dead = 0;
    for (const QueueStats& queue : stored->queues) dead += queue.dead;
    const OutboxTotals& totals = stored->totals;
    if (totals.appended != totals.delivered + totals.purged + totals.expired + dead) {
      found.push_back("the outbox's own count does not add up");
    }
    for (const DeadLetter& letter : *letters) {
      if (!letter.record.payload.starts_with("poison")) {
        found.push_back("dead: " + letter.record.payload + ": " + letter.reason);
      }
    }
    return found;
  }

  [[nodiscard]] std::size_t promised() const noexcept { return promised_.size(); }

 private:
  struct Shop {
    std::shared_ptr<Outbox> outbox;
    std::shared_ptr<Network> network;
    std::optional<Tracker> tracker;
  };

  static MemoryDisk& disk() { return MemoryDisk::instance(); }

  std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }

  void open(Shop& shop) {
    shop.outbox =
        open_outbox({.url = "sqlite:" + path_, .busy_timeout = milliseconds(0)}, clock_).value();
    shop.network = std::make_shared<Network>(vendor_, clock_, random_, bad_weather_, sabotage_);
    std::shared_ptr<Destination> destination = std::make_shared<FakeVendor>(tests::klaviyo_lanes());
    if (sabotage_ == Sabotage::kNewIdPerRequest) destination = std::make_shared<Forgetful>();
    Config config;
    config.log_level = LogLevel::kOff;
    auto tracker = Tracker::start(config.validate().value(),
                                  {.destination = destination,
                                   .outbox = shop.outbox,
                                   .http = shop.network,
                                   .clock = clock_,
                                   .random = seeded_random(random_()),
                                   .flags = flags(),
                                   .reload =
                                       [this] {
                                         return Reloaded{flags(), LogLevel::kOff, {}};
                                       },
                                   .threads = false});
    shop.tracker.emplace(std::move(tracker).value());
  }

  [[nodiscard]] std::vector<std::pair<QueueId, Flag>> flags() const {
    return {{kNotes.queue, notes_on_ ? Flag::on() : Flag::off()}, {kMemos.queue, Flag::on()}};
  }

  // All processes end as kill -9 ends them.
  void die() {
    disk().gone = true;
    for (Shop& shop : shops_) {
      shop.tracker.reset();
      shop.network.reset();
      shop.outbox.reset();
    }
    disk().gone = false;
    disk().dies_in = 0;
  }

  // At any moment, also in the middle of a transaction or a checkpoint.
  void restart(bool power_cut) {
    disk().dies_in = roll(2) == 0 ? 0 : 1 + roll(60);
    if (disk().dies_in > 0) {
      offer();
      pass(milliseconds(roll(100)));
    }
    die();
    if (power_cut) disk().cut_power();
    for (Shop& shop : shops_) open(shop);
  }

  void happen() {
    const std::uint64_t what = roll(100);
    if (what < 40) return offer();
    if (what < 76) return pass(milliseconds(roll(10) == 0 ? roll(200'000) : roll(2'000)));
    if (what < 79) return restart(false);
    if (what < 82) return restart(true);
    if (what < 87) bad_weather_ = !bad_weather_;
    if (what >= 87 && what < 91) spoil_disk();
    if (what >= 91 && what < 93) vendor_.key_works = !vendor_.key_works;
    if (what >= 93 && what < 95) notes_on_ = !notes_on_;
    if (what >= 95 && what < 97) {
      clock_->jump_wall(milliseconds(roll(7'200'000)) - hours(1));
    }
    if (what >= 91) reload();
  }

  void offer() {
    Shop& shop = shops_[roll(shops_.size())];
    const Family& family = roll(3) == 0 ? kMemos : kNotes;
    const std::size_t count = roll(25) == 0 ? 300 : 1 + roll(3);
    for (std::size_t i = 0; i < count; ++i) {
      std::string text = (roll(40) == 0 ? "poison " : "event ") + std::to_string(next_event_++);
      if (roll(10) == 0 && !promised_.empty()) text = *promised_.begin();
      const Note note{text, "1", 1, &family};
      offered_.insert(text);
      if (roll(2) == 0) {
        shop.tracker->track(note);
      } else if (shop.tracker->track_durably(note, milliseconds(0)).status() ==
                 TrackStatus::kAccepted) {
        promised_.insert(text);
      }
    }
  }

  void spoil_disk() {
    static constexpr int kErrors[] = {SQLITE_OK, SQLITE_FULL, SQLITE_IOERR_WRITE,
                                      SQLITE_IOERR_FSYNC};
    disk().write_error = kErrors[roll(std::size(kErrors))];
    disk().error_in = 1 + roll(20);
  }

  void reload() {
    for (Shop& shop : shops_) (void)shop.tracker->reload().has_value();
  }

  void mend() {
    bad_weather_ = false;
    vendor_.key_works = true;
    notes_on_ = true;
    disk().write_error = SQLITE_OK;
    reload();
  }

  // Time passes, from one moment at which something is due to the next.
  void pass(std::chrono::nanoseconds time) {
    const SteadyTime end = clock_->now() + time;
    for (int steps = 0; clock_->now() < end; ++steps) {
      SteadyTime next = end;
      for (Shop& shop : shops_) {
        next = std::min({next, shop.tracker->run_once(), shop.network->next()});
      }
      if (next > clock_->now()) clock_->advance(next - clock_->now());
      if (steps > 200'000) throw std::runtime_error("the engine spins");
    }
  }

  std::mt19937_64 random_;
  std::string path_;
  Sabotage sabotage_;
  std::shared_ptr<testing::ManualClock> clock_ = std::make_shared<testing::ManualClock>();
  Vendor vendor_;
  bool bad_weather_ = false;
  bool notes_on_ = true;
  std::vector<Shop> shops_;
  std::set<std::string> offered_;
  std::set<std::string> promised_;
  std::size_t next_event_ = 0;
};

}  // namespace postbox::simulation

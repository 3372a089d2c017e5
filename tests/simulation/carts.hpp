// Carts that shoppers fill and sometimes pay for, in any order, and what must have come of each.
//
// Place:     below World.
// Threads:   one.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <postbox/event.hpp>

#include "climate.hpp"
#include "sky.hpp"
#include "vendor.hpp"

namespace postbox::simulation {

// An update of a cart, or the order that pays for it. Every second cart is the same shopper's.
struct CartStep {
  std::size_t number = 0;
  std::size_t cart = 0;
  bool is_order = false;
  bool is_refused = false;  // an order that breaks a rule
  bool is_late = false;     // reported after newer ones
  WallTime as_of{};
  milliseconds patience{};  // of the shop, until the cart counts as abandoned

  [[nodiscard]] std::string text() const {
    return (is_order ? "order " : "cart ") + std::to_string(number);
  }
  [[nodiscard]] std::string abandoned() const { return "abandoned " + std::to_string(number); }
  [[nodiscard]] Key cart_key() const { return tests::key_of("slot " + std::to_string(cart)); }
  [[nodiscard]] Key shopper_key() const {
    return tests::key_of("shopper " + std::to_string(cart % 2));
  }
  [[nodiscard]] const Family& family() const noexcept {
    return is_order ? tests::kNotes : tests::kMemos;
  }
  [[nodiscard]] Key profile_key() const { return shopper_key(); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    if (is_refused) return batch.reject({"order", "must not be refused"});
    EventRecord own = record(text());
    Timing own_timing = timing();
    // As klaviyo::cart_updated(): by the time it is stored, a clock that is ahead may be right.
    own_timing.as_of = std::min(own_timing.as_of, batch.now());
    own.timing = std::make_shared<Timing>(std::move(own_timing));
    batch.add(std::move(own));
  }
  void encode_disabled(EventBatch& batch) const {
    if (!is_order) return;
    Timing ends = timing();
    ends.effects_only = true;
    EventRecord record;
    record.timing = std::make_shared<Timing>(std::move(ends));
    batch.add(std::move(record));
  }

 private:
  [[nodiscard]] Timing timing() const {
    Timing timing{.slot = is_order ? Key{} : cart_key(), .as_of = as_of};
    if (is_order) {
      timing.cancels = {cart_key(), shopper_key()};
    } else {
      timing.debounce = milliseconds(5'000);
      timing.timer =
          Timer{.delay = patience, .cancelled_by = {shopper_key()}, .event = record(abandoned())};
    }
    return timing;
  }
  [[nodiscard]] EventRecord record(const std::string& payload) const {
    return {.queue = family().queue,
            .dedup_key = tests::key_of(payload),
            .profile_key = profile_key(),
            .payload = payload};
  }
};

class Carts {
 public:
  // Reports are late sometimes: an update may come after the order that is newer. Where clocks are
  // skewed, a cart's may be ahead.
  [[nodiscard]] static CartStep next(std::size_t number, std::mt19937_64& random, WallTime now,
                                     const Climate& climate) {
    const milliseconds late(random() % 4 == 0 ? random() % 60'000 : 0);
    CartStep step{.number = number,
                  .cart = random() % 4,
                  .is_order = random() % 4 == 0,
                  .is_late = late.count() > 0,
                  .as_of = now - late,
                  .patience = milliseconds(10'000 + random() % 1'200'000)};
    step.is_refused = step.is_order && climate.has(Trouble::kRefusals) && random() % 2 == 0;
    if (!step.is_order && climate.has(Trouble::kSkewedClocks)) {
      step.as_of += milliseconds(random() % kMostAhead.count());
    }
    return step;
  }

  // `promised`: it is on disk. Otherwise it may be, or not.
  void happened(std::size_t shop, const CartStep& step, bool promised, SteadyTime now,
                WallTime wall) {
    reports_.push_back(
        {shop, reports_.size(), step, promised, now, now, std::min(step.as_of, wall)});
  }

  // What was before it and what is after it: which of the two is newer is anybody's guess.
  void clock_was_set_back(SteadyTime now) { set_back_at_ = now; }

  // What a process takes, it stores in order: what it was told before something that is on disk now
  // is there, too, also where it was a refused order.
  void stored_until_now(std::size_t shop, SteadyTime now) {
    for (Report& report : reports_) {
      if (report.shop != shop || !report.step.is_refused || report.promised) continue;
      report.promised = true;
      report.stored_at = now;
    }
  }

  // What was in memory alone is gone.
  void died(std::size_t shop) {
    for (Report& report : reports_) {
      if (!report.promised && report.shop == shop) report.shop = kNoShop;
    }
  }

  [[nodiscard]] std::vector<std::string> problems(const Vendor& vendor) const {
    std::vector<std::string> found;
    std::map<std::size_t, const Report*> newest;  // of each cart's promised updates
    for (const Report& report : reports_) {
      if (report.promised && report.step.is_order) look_for_late(report, vendor, found);
      if (!report.promised || report.step.is_order || !is_clear(report)) continue;
      const Report*& known = newest[report.step.cart];
      if (known == nullptr || known->as_of <= report.as_of) known = &report;
    }
    for (const auto& [cart, update] : newest) {
      // Another of the same moment, or a newer one that was not promised, may have taken its place.
      const CartStep& step = update->step;
      if (!any_since(*update, &CartStep::text, vendor)) found.push_back("lost: " + step.text());
      if (!may_be_ended(*update) && !any_since(*update, &CartStep::abandoned, vendor)) {
        found.push_back("not abandoned: " + step.text());
      }
    }
    return found;
  }

 private:
  struct Report {
    std::size_t shop;
    std::size_t place;  // in the order in which they came
    CartStep step;
    bool promised;
    SteadyTime at;
    SteadyTime stored_at;
    WallTime as_of;  // no report is of later than now
  };

  static constexpr std::size_t kNoShop = static_cast<std::size_t>(-1);

  // How far a cart's clock may be ahead, and one that an order names all the same.
  static constexpr milliseconds kMostAhead{20'000};
  static constexpr milliseconds kTolerance{120'000};

  // An event that the sender has in its hands is not recalled; its request starts within the lease.
  static constexpr std::chrono::seconds kInHand{60};
  static constexpr std::chrono::seconds kLatest{60};

  void look_for_late(const Report& order, const Vendor& vendor,
                     std::vector<std::string>& found) const {
    for (const Report& update : reports_) {
      const auto departed = vendor.departed.find(update.step.abandoned());
      if (update.step.is_order || !must_end(order, update) || departed == vendor.departed.end()) {
        continue;
      }
      if (departed->second.at <= order.stored_at + kInHand) continue;
      found.push_back(update.step.abandoned() + " was sent after " + order.step.text());
    }
  }

  static bool is_of_one_shopper(const Report& one, const Report& other) {
    return one.step.cart % 2 == other.step.cart % 2;
  }

  // An order ends what is older, and the cart that it names also when that one's clock was ahead.
  [[nodiscard]] bool must_end(const Report& order, const Report& update) const {
    if (!is_of_one_shopper(order, update) || !is_clear(order) || !is_clear(update)) return false;
    const bool is_named =
        order.step.cart == update.step.cart && !order.step.is_late && update.place < order.place;
    return update.step.as_of <= order.as_of + (is_named ? kMostAhead : milliseconds(0));
  }

  static bool may_end(const Report& order, const Report& update) {
    if (!order.step.is_order || !is_of_one_shopper(order, update)) return false;
    const bool is_named = order.step.cart == update.step.cart;
    return update.as_of <= order.as_of + (is_named ? kTolerance : kMostAhead);
  }

  [[nodiscard]] bool may_be_ended(const Report& update) const {
    return std::ranges::any_of(reports_,
                               [&](const Report& order) { return may_end(order, update); });
  }

  [[nodiscard]] bool any_since(const Report& update, std::string (CartStep::*name)() const,
                               const Vendor& vendor) const {
    return std::ranges::any_of(reports_, [&](const Report& report) {
      if (report.step.is_order || report.step.cart != update.step.cart) return false;
      // What was stored late was taken for later than it came.
      return report.as_of + kMostAhead >= update.as_of &&
             vendor.recorded.contains((report.step.*name)());
    });
  }

  // It happened since the clock was set back.
  [[nodiscard]] bool is_clear(const Report& report) const {
    return report.at - kLatest > set_back_at_;
  }

  SteadyTime set_back_at_{};
  std::vector<Report> reports_;
};

}  // namespace postbox::simulation

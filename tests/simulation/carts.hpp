// Carts that shoppers fill and sometimes pay for, in any order, and what must have come of each.
//
// Place:     below World.
// Threads:   one.
// Lifetime:  one run.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <postbox/event.hpp>

#include "surroundings.hpp"

namespace postbox::simulation {

// An update of a cart, or the order that pays for it. Every second cart is the same shopper's.
struct CartStep {
  std::size_t number = 0;
  std::size_t cart = 0;
  bool is_order = false;
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
  // Whether the order is one that ends the timer of `update`. It may be minutes behind the very
  // cart that it names.
  [[nodiscard]] bool ends(const CartStep& update) const {
    return is_order && update.cart % 2 == cart % 2 && update.as_of <= as_of;
  }
  [[nodiscard]] bool may_end(const CartStep& update) const {
    const milliseconds skew(update.cart == cart ? 120'000 : 0);
    return is_order && update.cart % 2 == cart % 2 && update.as_of <= as_of + skew;
  }

  [[nodiscard]] const Family& family() const noexcept {
    return is_order ? tests::kNotes : tests::kMemos;
  }
  [[nodiscard]] Key profile_key() const { return shopper_key(); }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(EventBatch& batch) const {
    EventRecord own = record(text());
    own.timing = std::make_shared<Timing>(timing());
    batch.add(std::move(own));
  }
  void encode_disabled(EventBatch& batch) const {
    if (!is_order) return;
    Timing ends = timing();
    ends.alone = true;
    EventRecord record;
    record.timing = std::make_shared<Timing>(std::move(ends));
    batch.add(std::move(record));
  }

 private:
  [[nodiscard]] Timing timing() const {
    Timing timing{.slot = cart_key(), .as_of = as_of};
    if (is_order) {
      timing.ends = {cart_key(), shopper_key()};
    } else {
      timing.quiet = milliseconds(5'000);
      timing.timer =
          Timer{.delay = patience, .ended_by = {shopper_key()}, .event = record(abandoned())};
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
  // Reports are late sometimes: an update may come after the order that is newer.
  [[nodiscard]] CartStep next(std::size_t number, std::mt19937_64& random, WallTime now) {
    const milliseconds late(random() % 4 == 0 ? random() % 60'000 : 0);
    return {.number = number,
            .cart = random() % 4,
            .is_order = random() % 4 == 0,
            .as_of = now - late,
            .patience = milliseconds(10'000 + random() % 1'200'000)};
  }

  // What was before it and what is after it: which of the two is newer is anybody's guess.
  void clock_was_set_back(SteadyTime now) { set_back_at_ = now; }

  // `promised`: it is on disk. Otherwise it may be, or not.
  void happened(const CartStep& step, bool promised, SteadyTime now) {
    reports_.push_back({step, promised, now});
  }

  [[nodiscard]] std::vector<std::string> problems(const Vendor& vendor) const {
    std::vector<std::string> found;
    std::map<std::size_t, const CartStep*> newest;  // of each cart's promised updates
    for (const Report& report : reports_) {
      if (report.promised && report.step.is_order) look_for_late(report, vendor, found);
      if (!report.promised || report.step.is_order || !is_clear(report)) continue;
      const CartStep*& known = newest[report.step.cart];
      if (known == nullptr || known->as_of <= report.step.as_of) known = &report.step;
    }
    for (const auto& [cart, update] : newest) {
      // Another of the same moment, or a newer one that was not promised, may have taken its place.
      if (!any_since(*update, &CartStep::text, vendor)) found.push_back("lost: " + update->text());
      if (!may_be_ended(*update) && !any_since(*update, &CartStep::abandoned, vendor)) {
        found.push_back("not abandoned: " + update->text());
      }
    }
    return found;
  }

 private:
  struct Report {
    CartStep step;
    bool promised;
    SteadyTime at;
  };

  // An event that the sender has in its hands is not recalled; its request starts within the lease.
  static constexpr std::chrono::seconds kInHand{60};
  static constexpr std::chrono::seconds kLatest{60};

  void look_for_late(const Report& order, const Vendor& vendor,
                     std::vector<std::string>& found) const {
    for (const Report& report : reports_) {
      const CartStep& update = report.step;
      const auto departed = vendor.departed.find(update.abandoned());
      if (update.is_order || !order.step.ends(update) || departed == vendor.departed.end() ||
          !is_clear(order) || !is_clear(report)) {
        continue;
      }
      if (departed->second.at <= order.at + kInHand) continue;
      found.push_back(update.abandoned() + " was sent after " + order.step.text());
    }
  }

  [[nodiscard]] bool may_be_ended(const CartStep& update) const {
    return std::ranges::any_of(reports_,
                               [&](const Report& report) { return report.step.may_end(update); });
  }

  [[nodiscard]] bool any_since(const CartStep& update, std::string (CartStep::*name)() const,
                               const Vendor& vendor) const {
    return std::ranges::any_of(reports_, [&](const Report& report) {
      const CartStep& step = report.step;
      return !step.is_order && step.cart == update.cart && step.as_of >= update.as_of &&
             vendor.recorded.contains((step.*name)());
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

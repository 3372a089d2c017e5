// Random events of every builder, and what Klaviyo must show of them: worked out from what the
// caller said, not from what was sent.
//
// Place:     tests/klaviyo_random_events_test.cpp.
// Threads:   one.
// Lifetime:  an Offer owns its event.
// Failure:   none.
#pragma once

#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "klaviyo_sim_requests.hpp"

namespace random_events {

using klaviyo::Property;
using klaviyo::PropertyObject;
using postbox::WallTime;
using Moment = std::optional<WallTime>;

inline WallTime now() { return WallTime(sim::kNow); }

// One record of an event.
struct Shown {
  std::string metric;
  WallTime time;
  std::optional<klaviyo::Money> value{};
};

struct Offer {
  std::function<void(postbox::EventBatch&)> encode;
  std::vector<Shown> events;  // none: the update of a profile
  klaviyo::Profile customer;
  std::vector<Property> properties;
  bool is_broken;  // a rule is broken for certain; without it, none is
};

// Values of each kind, mostly plain, often at a limit. With `slips`, now and then one beyond it.
class Dice {
 public:
  Dice(unsigned seed, bool slips) : random_(seed), slips_(slips) {}

  std::size_t below(std::size_t end) { return random_() % end; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  // Whether to break a rule here.
  bool slip(std::size_t n) {
    if (!slips_ || !one_in(n)) return false;
    broken_ = true;
    return true;
  }
  bool take_broken() { return std::exchange(broken_, false); }

  std::string text() {
    static const std::vector<std::string> kPieces = {"a", "Thé ", "\"", "\\", "\n", "\x01",
                                                     "😀", "ß",    "$",  "/",  " ",  "0"};
    std::string text;
    for (std::size_t pieces = below(12); pieces > 0; --pieces) {
      text += kPieces[below(kPieces.size())];
    }
    return text;
  }
  std::string name() { return slip(100) ? std::string() : "n" + text(); }
  std::int64_t serial() { return static_cast<std::int64_t>(++serial_); }
  // No two are equal. Of `limit` characters at most; `beyond` are too many for certain.
  std::string id(std::size_t limit, std::size_t beyond) {
    std::string id = "id-" + std::to_string(++serial_);
    if (one_in(30)) id.append(limit - id.size(), 'i');
    if (slip(100)) id.append(beyond - id.size(), 'i');
    return id;
  }
  std::string longest_or_short(std::string id) {
    if (one_in(30)) id.append(255 - id.size(), 'i');
    return id;
  }
  std::string required_id(std::size_t limit, std::size_t beyond) {
    return slip(100) ? std::string() : id(limit, beyond);
  }
  klaviyo::MinorUnits amount() {
    return {slip(100) ? -1 : one_in(10) ? 0 : static_cast<std::int64_t>(below(100'000))};
  }
  std::int64_t price() { return static_cast<std::int64_t>(below(1'000)); }  // is never broken
  std::optional<klaviyo::MinorUnits> maybe_amount() {
    return one_in(2) ? std::optional(amount()) : std::nullopt;
  }
  klaviyo::Currency currency() {
    static const std::vector<const char*> kCodes = {"EUR", "JPY", "KWD", "USD", "CLF"};
    return slip(60) ? klaviyo::Currency("EURO") : klaviyo::Currency(kCodes[below(kCodes.size())]);
  }
  // Of an event.
  Moment time() {
    using namespace std::chrono;
    const WallTime first(sys_days(year(1991) / 1 / 1));
    if (one_in(3)) return std::nullopt;
    if (one_in(30)) return first;
    if (one_in(30)) return now() + days(365);
    if (slip(60)) return first - milliseconds(1);
    if (slip(60)) return now() + days(365) + milliseconds(1);
    return now() - milliseconds(below(100'000'000'000));
  }
  // Of a property.
  Moment date() {
    using namespace std::chrono;
    const WallTime first(sys_days(year(1) / 1 / 1));
    if (one_in(2)) return std::nullopt;
    if (one_in(10)) return first;
    if (slip(60)) return first - milliseconds(1);
    return now() + milliseconds(below(100'000'000'000));
  }

  // Sometimes somebody who was there before.
  klaviyo::Profile customer() {
    if (!known_.empty() && one_in(3)) return known_[below(known_.size())];
    const std::string serial = std::to_string(++serial_);
    klaviyo::Profile profile;
    if (!one_in(3)) profile.email = "c" + serial + "@goldenacre.example";
    if (one_in(30)) profile.email = "c" + serial + std::string(39 - serial.size(), 'e') + kDomain;
    if (one_in(3)) profile.phone = "+4917" + std::to_string(10'000'000 + serial_);
    const bool is_known = !profile.email.empty() || !profile.phone.empty();
    if (!is_known || one_in(3))
      profile.external_id = longest_or_short("id-" + std::to_string(++serial_));
    if (one_in(4)) profile.kx = "kx-" + serial;
    if (one_in(4)) profile.anonymous_id = "visitor-" + serial;
    profile.first_name = text();
    if (one_in(3)) profile.title = text();
    if (one_in(3)) profile.location.city = text();
    profile.properties = properties_of(Owner::kProfile);
    // An identifier that cannot be used is no fault beside one that can.
    const auto only = [&](std::string email, std::string phone, std::string id) {
      profile.email = std::move(email);
      profile.phone = std::move(phone);
      profile.external_id = std::move(id);
      profile.kx = profile.anonymous_id = "";
    };
    if (slip(60)) only(one_in(2) ? "a@test.com" : "no address", "", "");
    if (slip(60)) only(std::string(100 - kDomain.size(), 'e') + kDomain, "0170", "");
    if (slip(60)) only("", "0170", std::string(256, 'i'));
    if (slip(60)) only("", "", "");
    if (!broken_) known_.push_back(profile);
    return profile;
  }

  std::vector<Property> properties() { return properties_of(Owner::kEvent); }

  std::vector<klaviyo::OrderItem> items(bool may_be_empty) {
    const std::size_t count = one_in(50) ? 60 : below(5);
    std::vector<klaviyo::OrderItem> items(count == 0 && !may_be_empty ? 1 : count);
    for (auto& item : items) {
      item.product_id = "P" + std::to_string(below(9));
      item.name = name();
      item.quantity = slip(100) ? 0 : 1 + static_cast<std::int64_t>(below(5));
      item.unit_price = amount();
      item.categories = {"Tea"};
      if (one_in(10)) item.row_total = amount();
      if (!slip(200)) continue;
      item.quantity = 2;
      item.row_total.reset();
      item.unit_price = {std::numeric_limits<std::int64_t>::max()};
    }
    return items;
  }

 private:
  // A profile has a limit on its size and none on the number of its properties.
  enum class Owner { kEvent, kProfile };

  std::vector<Property> properties_of(Owner owner) {
    const bool of_event = owner == Owner::kEvent;
    std::size_t count = below(6);
    if (of_event && one_in(60)) count = 300;
    if (of_event && slip(200)) count = 401;
    std::vector<Property> all;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({"own " + std::to_string(i), value(1, owner)});
      if (slip(300)) all.back().name = "$own";
      if (slip(300)) all.back().name = "";
    }
    return all;
  }
  klaviyo::PropertyValue value(std::size_t level, Owner owner) {
    const bool may_be_big = owner == Owner::kEvent;
    switch (below(level < klaviyo::kMaxLevels ? 9 : 7)) {
      case 0:
        return one_in(2);
      case 1:
        if (one_in(5)) return std::numeric_limits<std::int64_t>::min();
        if (one_in(5)) return std::numeric_limits<std::int64_t>::max();
        return static_cast<std::int64_t>(below(5));
      case 2:
        return klaviyo::Money{static_cast<std::int64_t>(below(3)), currency()};
      case 3:
        return may_be_big && one_in(30) ? std::string(99'999, 'x') : text();
      case 4: {
        std::size_t count = may_be_big && one_in(50) ? 4'000 : below(3);
        if (slip(100)) count = 4'001;
        return std::vector<std::string>(count, "t");
      }
      case 5:
        return klaviyo::Decimal{static_cast<std::int64_t>(random_()),
                                slip(100) ? 19 : static_cast<int>(below(19))};
      case 6:
        return postbox::WallTime(
            std::chrono::seconds(static_cast<std::int64_t>(below(4'000'000'000))));
      case 7:
        return object(level + 1, owner);
      default:
        return std::vector<PropertyObject>{object(level + 1, owner), object(level + 1, owner)};
    }
  }
  PropertyObject object(std::size_t level, Owner owner) {
    if (slip(100)) return too_deep();
    PropertyObject object;
    for (std::size_t i = below(3); i > 0; --i) {
      object.push_back({"in " + std::to_string(i), value(level, owner)});
    }
    return object;
  }
  static PropertyObject too_deep() {
    PropertyObject object = {{"End", true}};
    for (int level = 0; level < 9; ++level) object = {{"Below", object}};
    return object;
  }

  inline static const std::string kDomain = "@" + std::string(50, 'd') + ".example";

  std::mt19937_64 random_;
  bool slips_;
  bool broken_ = false;
  std::size_t serial_ = 0;
  std::vector<klaviyo::Profile> known_;
};

}  // namespace random_events

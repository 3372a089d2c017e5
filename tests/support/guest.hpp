// Guest: Postbox inside somebody else's process, against a simulated Klaviyo and a real outbox
// file.
#pragma once

#include <klaviyo/klaviyo.hpp>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>

#include "child_process.hpp"
#include "conservation.hpp"
#include "shop.hpp"

namespace postbox::tests {

inline constexpr std::chrono::seconds kPatience{60};

class Guest : public Shop {
 protected:
  [[nodiscard]] virtual klaviyo::Config config() const {
    klaviyo::Config config;
    config.api_key = "pk_for_tests";
    config.api_url = "http://127.0.0.1:" + std::to_string(klaviyo_port);
    config.engine.outbox.url = "sqlite:" + folder.file("outbox.db");
    config.engine.log = nullptr;
    for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
    return config;
  }

  Tracker start(Services parts = {}) { return klaviyo::start(config(), std::move(parts)).value(); }

  static klaviyo::PurchaseEvents placed(const std::string& id) {
    klaviyo::Order order;
    order.order_id = id;
    order.currency = "EUR";
    order.customer.email = "customer-" + id + "@goldenacre.example";
    auto& item = order.items.emplace_back();
    item.product_id = "P1";
    item.name = "Thé vert";
    item.quantity = 1;
    item.unit_price = {1250};
    return klaviyo::order_placed(order);
  }

  static TrackStatus buy(Tracker& tracker, const std::string& id) {
    return tracker.track_durably(placed(id), kPatience).status();
  }
  static bool bought(Tracker& tracker, const std::string& id) {
    return buy(tracker, id) == TrackStatus::kAccepted;
  }

  void TearDown() override {
    if (klaviyo_port == 0) return;  // skipped
    expect_conserved(*open_outbox(config().engine.outbox, system_clock()).value());
  }

  // Each of `ids` was recorded once, and nothing else was.
  void expect_recorded(const std::set<std::string>& ids) {
    const Recorded found = recorded();
    for (const std::string& id : ids) {
      EXPECT_EQ(found.events.count({"Placed Order", id}), 1U) << id;
    }
    EXPECT_EQ(found.count("Placed Order"), ids.size());
  }
};

}  // namespace postbox::tests

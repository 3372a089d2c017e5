// Valid events that the Klaviyo tests start from, and what they ask of an encoded batch.
//
// Place:     included by tests/klaviyo_*_test.cpp only.
// Threads:   plain functions.
// Lifetime:  values.
// Failure:   parse() returns a discarded value for bad JSON, which no comparison equals.
#pragma once

#include <algorithm>
#include <klaviyo/destination.hpp>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace klaviyo_test {

using Json = nlohmann::json;
using postbox::Violation;

inline Json parse(const std::string& text) { return Json::parse(text, nullptr, false); }

inline postbox::WallTime wall(std::chrono::sys_seconds time) { return postbox::WallTime(time); }

// 2026-11-22T10:00:00Z
inline postbox::WallTime now() {
  using namespace std::chrono_literals;
  return wall(std::chrono::sys_days(2026y / 11 / 22) + 10h);
}

inline klaviyo::Profile customer() {
  klaviyo::Profile profile;
  profile.email = "anna@goldenacre.example";
  profile.phone = "+491701234567";
  profile.external_id = "u-1";
  profile.first_name = "Anna";
  return profile;
}

inline klaviyo::OrderItem item(std::string product, std::int64_t quantity, std::int64_t price) {
  klaviyo::OrderItem line;
  line.product_id = product;
  line.sku = "S-" + product;
  line.name = "Thé " + product;
  line.quantity = quantity;
  line.unit_price = {price};
  line.categories = {"Tea"};
  line.brand = "Acre";
  return line;
}

inline klaviyo::Order order() {
  klaviyo::Order order;
  order.order_id = "1001";
  order.currency = "EUR";
  order.customer = customer();
  order.items = {item("P1", 2, 1250), item("P2", 1, 300)};
  order.shipping = {490};
  order.tax = {210};
  order.discount = {"AUTUMN", {300}};
  order.placed_at = now();
  return order;
}

inline klaviyo::Subscription subscription() {
  klaviyo::Subscription subscription;
  subscription.subscription_id = "sub_1";
  subscription.plan_id = "gold";
  subscription.plan_name = "Gold";
  subscription.price = {1999, "EUR"};
  subscription.status = "active";
  subscription.customer = customer();
  subscription.started_at = now();
  return subscription;
}

inline klaviyo::PaymentAttempt payment() {
  klaviyo::PaymentAttempt payment;
  payment.payment_id = "in_1";
  payment.subscription_id = "sub_1";
  payment.amount = {1000, "EUR"};
  payment.attempt = 4;
  payment.final_attempt = true;
  payment.billing_reason = "subscription_cycle";
  payment.failure_reason = "card_declined";
  payment.occurred_at = now();
  payment.customer = customer();
  return payment;
}

inline klaviyo::Cart cart() {
  klaviyo::Cart cart;
  cart.cart_id = "c-7";
  cart.user_id = "user-42";
  cart.currency = "EUR";
  cart.items = {item("P1", 2, 1250)};
  cart.customer = customer();
  cart.updated_at = now();
  cart.checkout_url = "https://shop.goldenacre.example/checkout";
  return cart;
}

template <class Event>
std::vector<Violation> violations_of(const Event& event) {
  postbox::EventBatch batch(now());
  event.encode(batch);
  return batch.violations();
}

template <class Event>
std::vector<postbox::EventRecord> records_of(const Event& event) {
  postbox::EventBatch batch(now());
  event.encode(batch);
  return batch.records();
}

// The rule at `path`, or "" when nothing is wrong there.
inline std::string rule_at(const std::vector<Violation>& violations, std::string_view path) {
  for (const Violation& violation : violations) {
    if (violation.path == path) return violation.rule;
  }
  return {};
}

inline klaviyo::Destination destination() {
  return klaviyo::Destination({"pk_0123456789abcdef", "https://a.klaviyo.com", "2026-10-15"});
}

inline postbox::HttpRequest request_for(const std::vector<postbox::EventRecord>& records) {
  std::vector<const postbox::EventRecord*> pointers;
  for (const auto& record : records) pointers.push_back(&record);
  return destination().request(pointers.size() > 1 ? 1 : 0, pointers);
}

// The attributes that Klaviyo gets for one record.
inline Json attributes_of(const postbox::EventRecord& record) {
  return parse(request_for({record}).body)["data"]["attributes"];
}

}  // namespace klaviyo_test

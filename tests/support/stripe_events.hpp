// Small bodies of our own making, in the shapes of 2026: a purchase and the life of a subscription.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace postbox::tests {

using Json = nlohmann::json;

inline constexpr long kStripeStart = 1'780'000'000;
inline constexpr const char* kStripeEmail = "jenny@goldenacre.example";

// The envelope. Its id is made of the type and the second: a delivery that is repeated is the same.
inline Json stripe_event(const std::string& type, Json object, Json previous = nullptr,
                         long second = 0) {
  const long created = kStripeStart + second;
  Json data = {{"object", std::move(object)}};
  if (!previous.is_null()) data["previous_attributes"] = std::move(previous);
  return {{"id", "evt_" + type + "_" + std::to_string(created)},
          {"object", "event"},
          {"api_version", "2026-07-29.dahlia"},
          {"created", created},
          {"data", std::move(data)},
          {"livemode", true},
          {"request", nullptr},
          {"type", type}};
}

inline Json stripe_session() {
  return {{"id", "cs_1"},
          {"object", "checkout.session"},
          {"mode", "payment"},
          {"payment_status", "paid"},
          {"amount_total", 3000},
          {"currency", "usd"},
          {"customer", "cus_1"},
          {"customer_details", {{"email", kStripeEmail}}},
          {"invoice", nullptr},
          {"payment_intent", "pi_1"},
          {"total_details", {{"amount_tax", 250}, {"amount_discount", 0}, {"amount_shipping", 0}}}};
}

inline Json stripe_charge(long refunded) {
  return {{"id", "ch_1"},
          {"object", "charge"},
          {"amount", 3000},
          {"amount_refunded", refunded},
          {"refunded", refunded == 3000},
          {"currency", "usd"},
          {"customer", "cus_1"},
          {"billing_details", {{"email", nullptr}}},
          {"payment_intent", "pi_1"},
          {"receipt_email", nullptr}};
}

inline Json stripe_customer() {
  return {{"id", "cus_1"}, {"object", "customer"}, {"email", kStripeEmail}};
}

inline Json stripe_price(const std::string& id, long amount,
                         const std::string& interval = "month") {
  return {{"id", id},
          {"object", "price"},
          {"currency", "usd"},
          {"product", "prod_" + id},
          {"recurring", {{"interval", interval}, {"interval_count", 1}}},
          {"unit_amount", amount}};
}

inline Json stripe_items(const Json& price, long quantity = 1) {
  return {{"object", "list"},
          {"data", Json::array({{{"id", "si_1"},
                                 {"price", price},
                                 {"quantity", quantity},
                                 {"current_period_end", kStripeStart + 2'592'000}}})}};
}

inline Json stripe_subscription(const std::string& status,
                                const Json& items = stripe_items(stripe_price("basic", 1000))) {
  return {{"id", "sub_1"},
          {"object", "subscription"},
          {"status", status},
          {"created", kStripeStart},
          {"cancel_at", nullptr},
          {"cancel_at_period_end", false},
          {"canceled_at", nullptr},
          {"cancellation_details", {{"reason", nullptr}, {"feedback", nullptr}}},
          {"currency", "usd"},
          {"customer", "cus_1"},
          {"ended_at", nullptr},
          {"items", items},
          {"pause_collection", nullptr},
          {"trial_start", nullptr},
          {"trial_end", nullptr}};
}

// An event that has no address in it.
inline Json stripe_trial_ending() {
  Json subscription = stripe_subscription("trialing");
  subscription["trial_end"] = kStripeStart + 86'400;
  return stripe_event("customer.subscription.trial_will_end", subscription);
}

inline Json stripe_invoice(const std::string& id, const std::string& reason, long paid = 1000) {
  return {{"id", id},
          {"object", "invoice"},
          {"amount_due", 1000},
          {"amount_paid", paid},
          {"attempt_count", 1},
          {"billing_reason", reason},
          {"collection_method", "charge_automatically"},
          {"currency", "usd"},
          {"customer", "cus_1"},
          {"customer_email", kStripeEmail},
          {"lines",
           {{"data",
             Json::array({{{"id", "il_" + id},
                           {"amount", 1000},
                           {"description", "1 × Basic"},
                           {"parent", {{"subscription_item_details", {{"proration", false}}}}},
                           {"period", {{"start", kStripeStart}, {"end", kStripeStart + 2'592'000}}},
                           {"pricing",
                            {{"price_details", {{"price", "basic"}, {"product", "prod_basic"}}}}},
                           {"quantity", 1}}})}}},
          {"next_payment_attempt", nullptr},
          {"number", "N-" + id},
          {"parent", {{"subscription_details", {{"subscription", "sub_1"}}}}},
          {"status_transitions", {{"paid_at", kStripeStart + 5}}},
          {"total", 1000}};
}

inline Json stripe_invoice_payment(const std::string& invoice, const std::string& payment) {
  return {{"id", "inpay_1"},
          {"object", "invoice_payment"},
          {"invoice", invoice},
          {"payment", {{"type", "payment_intent"}, {"payment_intent", payment}}}};
}

// A purchase in two parts refunded, as Stripe reports it.
inline std::vector<Json> stripe_purchase() {
  return {stripe_event("customer.created", stripe_customer()),
          stripe_event("charge.succeeded", stripe_charge(0), nullptr, 1),
          stripe_event("checkout.session.completed", stripe_session(), nullptr, 2),
          stripe_event("payment_intent.succeeded", {{"id", "pi_1"}, {"amount_received", 3000}},
                       nullptr, 2),
          stripe_event("charge.refunded", stripe_charge(1000), {{"amount_refunded", 0}}, 3),
          stripe_event("refund.created", {{"id", "re_1"}, {"amount", 1000}}, nullptr, 3),
          stripe_event("charge.refunded", stripe_charge(3000), {{"amount_refunded", 1000}}, 4)};
}

// A subscription bought in Checkout, renewed, upgraded, cancelled for later, ended, and refunded.
inline std::vector<Json> stripe_life() {
  Json session = stripe_session();
  session.update({{"mode", "subscription"},
                  {"payment_intent", nullptr},
                  {"invoice", "in_1"},
                  {"amount_total", 1000}});
  const Json pro = stripe_items(stripe_price("pro", 2500));
  Json ending = stripe_subscription("active", pro);
  ending.update({{"cancel_at", kStripeStart + 900}, {"canceled_at", kStripeStart + 20}});
  Json ended = ending;
  ended.update({{"status", "canceled"}, {"ended_at", kStripeStart + 900}});
  Json charge = stripe_charge(3000);
  charge.update({{"payment_intent", "pi_2"}, {"amount", 3000}});
  return {stripe_event("customer.created", stripe_customer()),
          stripe_event("customer.subscription.created", stripe_subscription("incomplete")),
          stripe_event("customer.subscription.updated", stripe_subscription("active"),
                       {{"status", "incomplete"}}, 5),
          stripe_event("invoice.paid", stripe_invoice("in_1", "subscription_create"), nullptr, 5),
          stripe_event("invoice.payment_succeeded", stripe_invoice("in_1", "subscription_create"),
                       nullptr, 6),
          stripe_event("checkout.session.completed", session, nullptr, 6),
          stripe_event("invoice.paid", stripe_invoice("in_2", "subscription_cycle"), nullptr, 8),
          stripe_event("invoice.payment_succeeded", stripe_invoice("in_2", "subscription_cycle"),
                       nullptr, 8),
          stripe_event("invoice_payment.paid", stripe_invoice_payment("in_2", "pi_2"), nullptr, 8),
          stripe_event("customer.subscription.updated", stripe_subscription("active", pro),
                       {{"items", stripe_items(stripe_price("basic", 1000))}}, 10),
          stripe_event("customer.subscription.updated", ending,
                       {{"cancel_at", nullptr}, {"canceled_at", nullptr}}, 20),
          stripe_event("customer.subscription.deleted", ended, nullptr, 900),
          stripe_event("charge.refunded", charge, {{"amount_refunded", 0}}, 950)};
}

// A body for every kind of event, beside those of the two stories.
inline std::vector<Json> stripe_every_kind() {
  auto all = stripe_life();
  for (Json& body : stripe_purchase()) all.push_back(std::move(body));
  Json invoice = stripe_invoice("in_3", "subscription_cycle", 0);
  invoice["attempt_count"] = 2;
  all.push_back(stripe_event("invoice.payment_failed", invoice));
  all.push_back(stripe_event("invoice.payment_action_required", invoice));
  Json session = stripe_session();
  session["after_expiration"] = {{"recovery", {{"url", "https://goldenacre.example/again"}}}};
  all.push_back(stripe_event("checkout.session.expired", session));
  all.push_back(stripe_event("checkout.session.async_payment_failed", session));
  Json charge = stripe_charge(3000);  // as until 2022
  charge["invoice"] = "in_4";
  charge["refunds"] = {{"data",
                        {{{"id", "re_2"}, {"amount", 1200}, {"created", kStripeStart + 9}},
                         {{"id", "re_1"}, {"amount", 1800}, {"created", kStripeStart + 5}}}}};
  all.push_back(stripe_event("charge.refunded", charge));
  Json trial = stripe_subscription("trialing");
  trial["trial_start"] = kStripeStart;
  trial["trial_end"] = kStripeStart + 86'400;
  all.push_back(stripe_event("customer.subscription.created", trial));
  all.push_back(stripe_event("customer.subscription.trial_will_end", trial));
  all.push_back(stripe_event("customer.subscription.paused", stripe_subscription("paused")));
  all.push_back(stripe_event("customer.subscription.resumed", stripe_subscription("active")));
  Json paused = stripe_subscription("active");
  paused["pause_collection"] = {{"behavior", "void"}, {"resumes_at", kStripeStart + 900}};
  all.push_back(
      stripe_event("customer.subscription.updated", paused, {{"pause_collection", nullptr}}));
  all.push_back(stripe_event("customer.subscription.updated", stripe_subscription("active"),
                             {{"cancel_at", kStripeStart + 900}}));
  all.push_back(stripe_event("customer.subscription.updated",
                             stripe_subscription("active", stripe_items(stripe_price("mini", 500))),
                             {{"items", stripe_items(stripe_price("basic", 1000), 2)}}));
  return all;
}

}  // namespace postbox::tests

// The shapes that bodies of several years have, and what is missing in some.
#include <gtest/gtest.h>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using Names = std::vector<std::string>;

struct Taken {
  stripe::Answer answer;
  std::vector<Json> events;

  [[nodiscard]] Names names() const {
    Names all;
    for (const Json& event : events) {
      const std::string id = event["properties"]["$event_id"];
      all.push_back(event["metric"].get<std::string>() + " " + id);
    }
    std::ranges::sort(all);
    return all;
  }
  [[nodiscard]] Json first(const char* name) const {
    return events.empty() ? Json("no event") : events[0]["properties"].value(name, Json());
  }
};

// What becomes of a body after another one, which is of a known customer.
Taken take(const Json& body, const Json& earlier = nullptr) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  if (!earlier.is_null()) shop.deliver(earlier.dump());
  Taken taken;
  taken.answer = shop.deliver(body.dump());
  shop.pass(1h);
  taken.events = shop.recorded();
  return taken;
}

Json refund(const Json& previous, long refunded = 3000) {
  return stripe_event("charge.refunded", stripe_charge(refunded), previous, 3);
}

TEST(StripeShapes, ARefundOfWhichNotIsSaidHowMuchItIsIsRefusedByName) {
  for (const Json& previous :
       {Json(), Json{{"receipt_url", "x"}}, Json{{"amount_refunded", "1"}}}) {
    const auto taken = take(refund(previous));
    EXPECT_EQ(taken.answer.status, 400);
    EXPECT_EQ(taken.answer.reason.find("data.previous_attributes.amount_refunded must be"), 0U)
        << taken.answer.reason;
    EXPECT_EQ(taken.names(), Names{});
  }
}

TEST(StripeShapes, AnOldBodyWithoutThePreviousSumListsItsRefundsTheLastOfThemCounts) {
  Json body = refund(nullptr);
  Json refunds = {{{"amount", 1000}, {"created", 10}}, {{"amount", 2000}, {"created", 20}}};
  for (int turns = 0; turns < 2; ++turns) {
    body["data"]["object"]["refunds"] = {{"data", refunds}};
    const auto taken = take(body);
    EXPECT_EQ(taken.first("$value"), 20);
    EXPECT_EQ(taken.first("TotalRefunded"), 30);
    std::ranges::reverse(refunds);
  }
}

TEST(StripeShapes, ARefundOfMoreThanWasPaidIsRefused) {
  EXPECT_EQ(take(refund({{"amount_refunded", 0}}, 4000)).answer.reason,
            "data.object.amount_refunded must be at most the amount");
  EXPECT_EQ(take(refund({{"amount_refunded", -1}})).answer.status, 400);
}

TEST(StripeShapes, ARefundThatWasTakenBackIsNone) {
  const auto taken = take(refund({{"amount_refunded", 3000}}, 1000));
  EXPECT_EQ(taken.answer.status, 200);
  EXPECT_EQ(taken.names(), Names{});
}

TEST(StripeShapes, ARefundOfALinkedChargeIsThatOrders) {
  Json link = stripe_invoice_payment("in_9", "");
  link["payment"] = {{"type", "charge"}, {"charge", "ch_1"}};
  Json body = refund({{"amount_refunded", 0}});
  const Names refunded{"Refunded Order stripe:in_9"};
  EXPECT_EQ(take(body, stripe_event("invoice_payment.paid", link)).names(), refunded);
  body["data"]["object"]["payment_intent"] = nullptr;
  EXPECT_EQ(take(body, stripe_event("invoice_payment.paid", link)).names(), refunded);
}

TEST(StripeShapes, ASubscriptionIsNamedByTheInvoiceInOldAndNewBodiesElseByItsLines) {
  const Json none = {{"subscription_details", nullptr}};
  const Json by_line = {{"subscription_item_details", {{"subscription", "sub_l"}}}};
  for (const auto& [old, parent, line, line_parent, expected] :
       std::vector<std::tuple<Json, Json, Json, Json, std::string>>{
           {"sub_o", none, "sub_l", by_line, "sub_o"},
           {nullptr,
            {{"subscription_details", {{"subscription", "sub_n"}}}},
            "sub_l",
            by_line,
            "sub_n"},
           {nullptr, nullptr, "sub_l", nullptr, "sub_l"},
           {nullptr, none, nullptr, by_line, "sub_l"}}) {
    Json invoice = stripe_invoice("in_1", "subscription_cycle", 0);
    invoice["subscription"] = old;
    invoice["parent"] = parent;
    invoice["lines"]["data"][0]["subscription"] = line;
    invoice["lines"]["data"][0]["parent"] = line_parent;
    EXPECT_EQ(take(stripe_event("invoice.paid", invoice)).first("SubscriptionId"), expected);
  }
}

TEST(StripeShapes, TheRenewedPeriodIsTheSubscriptionsInWhicheverOrderTheLinesStand) {
  Json invoice = stripe_invoice("in_1", "subscription_cycle", 0);
  Json& lines = invoice["lines"]["data"];
  Json once = lines[0];
  once["parent"] = {{"invoice_item_details", {{"proration", false}}}};
  once["period"] = {{"start", kStripeStart - 9}, {"end", kStripeStart - 9}};
  Json settled = lines[0];
  settled["parent"]["subscription_item_details"]["proration"] = true;
  settled["period"] = {{"start", kStripeStart}, {"end", kStripeStart + 9'000'000}};
  Json metered = lines[0];
  metered["period"] = {{"start", kStripeStart - 2'592'000}, {"end", kStripeStart}};
  Json longer = once;
  longer["period"] = {{"start", kStripeStart}, {"end", kStripeStart + 9'000'000}};
  for (const Json& line : {once, settled, metered, longer}) lines.insert(lines.begin(), line);
  for (int turns = 0; turns < 2; ++turns) {
    const auto taken = take(stripe_event("invoice.paid", invoice));
    EXPECT_EQ(taken.first("PeriodStart"), "2026-05-28T20:26:40Z");
    EXPECT_EQ(taken.first("PeriodEnd"), "2026-06-27T20:26:40Z");
    std::ranges::reverse(lines);
  }
}

TEST(StripeShapes, APriceMayBeItsIdAlone) {
  Json subscription = stripe_subscription("active");
  subscription["items"]["data"][0]["price"] = "price_x";
  const auto taken = take(stripe_event("customer.subscription.created", subscription));
  EXPECT_EQ(taken.first("PlanId"), "price_x");
  EXPECT_EQ(taken.first("Currency"), "USD");
  Json invoice = stripe_invoice("in_1", "manual");
  invoice["lines"]["data"][0].erase("pricing");
  invoice["lines"]["data"][0]["price"] = "price_x";
  const auto items = take(stripe_event("invoice.paid", invoice)).first("Items");
  EXPECT_EQ(items[0]["PriceID"], "price_x");
}

TEST(StripeShapes, NoUnitsAreAQuantityThatIsSaidAndCompared) {
  const Json price = stripe_price("basic", 1000);
  const auto change = [&](long from, long to) {
    return take(stripe_event("customer.subscription.updated",
                             stripe_subscription("active", stripe_items(price, to)),
                             {{"items", stripe_items(price, from)}}));
  };
  const Names upgraded{"Subscription Upgraded stripe:evt_customer.subscription.updated_1780000000"};
  EXPECT_EQ(change(0, 1).names(), upgraded);
  EXPECT_EQ(change(0, 1).first("PreviousQuantity"), Json());
  EXPECT_EQ(change(1, 0).first("NoUnits"), true);
  EXPECT_EQ(change(1, 2).first("NoUnits"), Json());
}

TEST(StripeShapes, AnUnknownIntervalIsLeftOut) {
  const auto of = [](const char* interval) {
    return take(stripe_event(
                    "customer.subscription.created",
                    stripe_subscription("active", stripe_items(stripe_price("x", 1, interval)))))
        .first("Interval");
  };
  EXPECT_EQ(of("year"), "year");
  EXPECT_EQ(of("quarter"), Json());
}

TEST(StripeShapes, AnAbandonedCheckoutNeedsNoAmount) {
  Json session = stripe_session();
  session["amount_total"] = nullptr;
  EXPECT_EQ(take(stripe_event("checkout.session.expired", session)).names(),
            Names{"Abandoned Checkout stripe:cs_1"});
}

}  // namespace
}  // namespace postbox::tests

// What happens to an order after it was placed.

#include <gtest/gtest.h>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::MinorUnits;
using klaviyo::Refund;
using klaviyo_test::attributes_of;
using klaviyo_test::Json;
using klaviyo_test::now;
using klaviyo_test::order;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;

const Refund kThirteen{.amount = MinorUnits{1'300}, .total_refunded = MinorUnits{1'300}};

klaviyo::Order only_paid() {
  auto paid = order();
  paid.items.clear();
  paid.lines_unknown = true;
  return paid;
}

// Checks that the event says what Placed Order says, and returns what it says beside that.
Json beside_the_order(const klaviyo::OrderEvent& event) {
  Json properties = attributes_of(records_of(event)[0])["properties"];
  const Json placed = attributes_of(records_of(order_placed(event.order()))[0])["properties"];
  for (const auto& [name, value] : placed.items()) {
    EXPECT_EQ(properties[name], value) << name;
    properties.erase(name);
  }
  return properties;
}

std::string unique_id_of(const klaviyo::OrderEvent& event) {
  return attributes_of(records_of(event)[0])["unique_id"];
}

double value_of(const klaviyo::OrderEvent& event) {
  return attributes_of(records_of(event)[0])["value"].get<double>();
}

TEST(OrderEvents, EveryKindHasItsMetricItsLogLineAndItsCurrency) {
  const std::vector<klaviyo::OrderEvent> events = {order_fulfilled(order()),
                                                   order_cancelled(order()),
                                                   order_refunded(order()),
                                                   order_partially_refunded(order(), kThirteen),
                                                   shipment_out_for_delivery(order()),
                                                   shipment_delivered(order())};
  ASSERT_EQ(events.size(), klaviyo::kOrderMetrics.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto records = records_of(events[i]);
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].queue, klaviyo::kPurchase.queue);
    const Json got = attributes_of(records[0]);
    EXPECT_EQ(got["metric"]["data"]["attributes"]["name"], klaviyo::kOrderMetrics[i].name);
    EXPECT_EQ(got["value_currency"], "EUR");
    EXPECT_EQ(got["time"], "2026-11-22T10:00:00Z");
    const auto line = klaviyo_test::destination().log_line(
        records[0], {.kind = postbox::VerdictKind::kDelivered, .http_status = 202});
    EXPECT_EQ(line.text, "Klaviyo " + std::string(klaviyo::kOrderMetrics[i].log_name) +
                             " event sent successfully");
  }
}

TEST(FulfilledOrder, IsTheOrderAgainWithItsOwnTime) {
  const auto event = order_fulfilled(order(), {.fulfilled_at = now() - std::chrono::hours(2)});
  EXPECT_EQ(unique_id_of(event), "1001");
  EXPECT_DOUBLE_EQ(value_of(event), 32.0);
  EXPECT_EQ(attributes_of(records_of(event)[0])["time"], "2026-11-22T08:00:00Z");
  EXPECT_EQ(beside_the_order(event), Json::object());
}

TEST(FulfilledOrder, TwoShipmentsAreTwoEvents) {
  const auto event = order_fulfilled(order(), {.fulfillment_id = "f-2"});
  EXPECT_EQ(unique_id_of(event), "1001_f-2");
  EXPECT_EQ(beside_the_order(event), Json::parse(R"({"FulfillmentId": "f-2"})"));
}

TEST(FulfilledOrder, HasItsOwnLinesValueAndTracking) {
  const klaviyo::Fulfillment part{.fulfillment_id = "f-1",
                                  .items = {klaviyo_test::item("P2", 1, 300)},
                                  .carrier = "DHL",
                                  .tracking_number = "JD0002",
                                  .tracking_url = "https://dhl.example/JD0002"};
  const auto event = order_fulfilled(order(), part);
  const Json got = attributes_of(records_of(event)[0]);
  EXPECT_DOUBLE_EQ(value_of(event), 3.0);
  ASSERT_EQ(got["properties"]["Items"].size(), 1U);
  EXPECT_EQ(got["properties"]["Items"][0]["ProductID"], "P2");
  EXPECT_EQ(got["properties"]["ItemNames"], Json::parse(R"(["Thé P2"])"));
  EXPECT_EQ(beside_the_order(event), Json::parse(R"({"FulfillmentId": "f-1", "Carrier": "DHL",
    "TrackingNumber": "JD0002", "TrackingURL": "https://dhl.example/JD0002"})"));
  EXPECT_DOUBLE_EQ(value_of(order_fulfilled(order(), {.value = MinorUnits{450}})), 4.5);
}

TEST(FulfilledOrder, WhatIsWrongWithItsLinesIsNamedThere) {
  klaviyo::Fulfillment part{.items = {klaviyo_test::item("P2", 0, 300)}, .value = MinorUnits{-1}};
  const auto violations = violations_of(order_fulfilled(order(), part));
  EXPECT_NE(rule_at(violations, "fulfillment.items[0].quantity"), "");
  EXPECT_NE(rule_at(violations, "fulfillment.value"), "");
}

TEST(DeliveredShipment, IsTheShipmentAgainUnderItsOwnMetric) {
  const klaviyo::Delivery delivery{.fulfillment_id = "f-1",
                                   .happened_at = now() - std::chrono::hours(1),
                                   .items = {klaviyo_test::item("P2", 1, 300)},
                                   .carrier = "DHL"};
  for (const auto& event :
       {shipment_out_for_delivery(order(), delivery), shipment_delivered(order(), delivery)}) {
    EXPECT_EQ(unique_id_of(event), "1001_f-1");
    EXPECT_DOUBLE_EQ(value_of(event), 3.0);
    EXPECT_EQ(attributes_of(records_of(event)[0])["time"], "2026-11-22T09:00:00Z");
    EXPECT_EQ(beside_the_order(event),
              Json::parse(R"({"FulfillmentId": "f-1", "Carrier": "DHL"})"));
  }
  EXPECT_EQ(unique_id_of(shipment_delivered(order())), "1001");
}

TEST(CancelledOrder, CarriesTheOrdersIdAndWhatIsCancelled) {
  const auto event = order_cancelled(order(), {.reason = "out of stock"});
  EXPECT_EQ(unique_id_of(event), "1001");
  EXPECT_DOUBLE_EQ(value_of(event), 32.0);
  EXPECT_EQ(beside_the_order(event), Json::parse(R"({"Reason": "out of stock"})"));
}

TEST(RefundedOrder, CarriesTheOrdersIdAndGivesAllBackUnlessSaidOtherwise) {
  const auto all = order_refunded(order());
  EXPECT_EQ(unique_id_of(all), "1001");
  EXPECT_DOUBLE_EQ(value_of(all), 32.0);
  EXPECT_EQ(beside_the_order(all), Json::parse(R"({"RefundAmount": 32.0, "TotalRefunded": 32.0})"));
  const auto rest = order_refunded(
      order(),
      {.amount = MinorUnits{1'900}, .total_refunded = MinorUnits{3'200}, .reason = "broken"});
  EXPECT_EQ(unique_id_of(rest), "1001");
  EXPECT_DOUBLE_EQ(value_of(rest), 19.0);
  EXPECT_EQ(beside_the_order(rest), Json::parse(R"({"RefundAmount": 19.0, "TotalRefunded": 32.0,
    "Reason": "broken"})"));
}

TEST(RefundedOrder, NeedsNoLinesAndNoTotal) {
  EXPECT_DOUBLE_EQ(value_of(order_refunded(only_paid(), kThirteen)), 13.0);
  EXPECT_EQ(rule_at(violations_of(order_refunded(only_paid())), "refund.amount"), "is required");
}

TEST(PartiallyRefundedOrder, ARepeatedReportIsTheSameEventAndASecondRefundIsAnother) {
  const auto first = order_partially_refunded(order(), kThirteen);
  EXPECT_EQ(unique_id_of(first), "1001_refunded_1300");
  EXPECT_DOUBLE_EQ(value_of(first), 13.0);
  EXPECT_EQ(records_of(first)[0].dedup_key,
            records_of(order_partially_refunded(order(), kThirteen))[0].dedup_key);
  const auto second = order_partially_refunded(
      order(), {.amount = MinorUnits{1'300}, .total_refunded = MinorUnits{2'600}});
  EXPECT_EQ(unique_id_of(second), "1001_refunded_2600");
  EXPECT_EQ(beside_the_order(second),
            Json::parse(R"({"RefundAmount": 13.0, "TotalRefunded": 26.0})"));
  EXPECT_NE(records_of(first)[0].dedup_key, records_of(second)[0].dedup_key);
}

TEST(PartiallyRefundedOrder, MayHaveAKeyOfTheCallersOwn) {
  Refund refund = kThirteen;
  refund.unique_id = "stripe:ch_1:refunded:1300";
  EXPECT_EQ(unique_id_of(order_partially_refunded(order(), refund)), "stripe:ch_1:refunded:1300");
  EXPECT_EQ(unique_id_of(order_refunded(order(), refund)), "1001");
  refund.unique_id.assign(256, 'x');
  EXPECT_FALSE(rule_at(violations_of(order_partially_refunded(order(), refund)), "refund.unique_id")
                   .empty());
}

TEST(RefundRules, APartialRefundSaysWhatItGivesBackAndWhatWasGivenBackInAll) {
  const auto none = violations_of(order_partially_refunded(order(), {}));
  EXPECT_EQ(rule_at(none, "refund.amount"), "is required");
  EXPECT_EQ(rule_at(none, "refund.total_refunded"), "is required");
  const auto less = violations_of(order_partially_refunded(
      order(), {.amount = MinorUnits{1'300}, .total_refunded = MinorUnits{1'299}}));
  EXPECT_EQ(rule_at(less, "refund.total_refunded"),
            "must be at least the amount of this refund, 1300, found 1299");
  const auto nothing = violations_of(order_partially_refunded(
      order(), {.amount = MinorUnits{0}, .total_refunded = MinorUnits{0}}));
  EXPECT_EQ(rule_at(nothing, "refund.amount"), "must be at least 1, found 0");
}

TEST(OrderEventRules, TheOrderAndTheDetailsAreChecked) {
  auto bad = order();
  bad.order_id.clear();
  bad.items[0].quantity = 0;
  bad.customer = {};
  bad.properties = {{"Reason", true}};
  const auto violations = violations_of(
      order_cancelled(bad, {.reason = "late", .cancelled_at = now() + std::chrono::days(400)}));
  EXPECT_EQ(rule_at(violations, "order_id"), "is required");
  EXPECT_EQ(rule_at(violations, "items[0].quantity"), "must be at least 1, found 0");
  EXPECT_FALSE(rule_at(violations, "customer").empty());
  EXPECT_FALSE(rule_at(violations, "properties[0].name").empty());
  EXPECT_FALSE(rule_at(violations, "cancellation.cancelled_at").empty());
}

TEST(OrderEventRules, AnEventWithTheOrdersValueNeedsItsTotal) {
  EXPECT_EQ(rule_at(violations_of(order_cancelled(only_paid())), "total"), "is required");
  EXPECT_EQ(rule_at(violations_of(order_fulfilled(only_paid())), "total"), "is required");
  auto paid = only_paid();
  paid.total = MinorUnits{2'900};
  EXPECT_TRUE(violations_of(order_cancelled(paid)).empty());
  EXPECT_TRUE(violations_of(order_fulfilled(paid)).empty());
}

TEST(OrderEventRules, TimesAreBoundAndKeysHaveAtMost255Bytes) {
  const auto late = now() + std::chrono::days(400);
  EXPECT_FALSE(rule_at(violations_of(order_fulfilled(order(), {.fulfilled_at = late})),
                       "fulfillment.fulfilled_at")
                   .empty());
  EXPECT_FALSE(
      rule_at(violations_of(order_refunded(order(), {.refunded_at = late})), "refund.refunded_at")
          .empty());
  auto edge = order();
  edge.order_id.assign(253, 'o');
  EXPECT_TRUE(violations_of(order_fulfilled(edge, {.fulfillment_id = "f"})).empty());
  EXPECT_EQ(rule_at(violations_of(order_fulfilled(edge, {.fulfillment_id = "ff"})), "order_id"),
            "must leave room in the event's unique_id, which has at most 255 bytes, found 256");
}

static_assert(postbox::TrackableEvent<klaviyo::PurchaseEvents>);
static_assert(postbox::TrackableEvent<klaviyo::OrderEvent>);
static_assert(postbox::TrackableEvent<klaviyo::SubscriptionEvent>);
static_assert(postbox::TrackableEvent<klaviyo::PaymentEvent>);
static_assert(postbox::TrackableEvent<klaviyo::CartEvent>);

}  // namespace

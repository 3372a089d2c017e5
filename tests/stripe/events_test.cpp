#include <gtest/gtest.h>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// The names of the events that a body becomes, and of each its unique_id.
std::vector<std::string> events_of(const Json& body) {
  StripeShop shop;
  EXPECT_EQ(shop.deliver(stripe_event("customer.created", stripe_customer()).dump()).status, 200);
  EXPECT_EQ(shop.deliver(body.dump()).status, 200);
  shop.pass(1h);
  std::vector<std::string> names;
  for (const Json& event : shop.recorded()) {
    const std::string id = event["properties"]["$event_id"];
    names.push_back(event["metric"].get<std::string>() + " " + id);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> updated(const Json& subscription, const Json& previous) {
  return events_of(stripe_event("customer.subscription.updated", subscription, previous));
}

using Names = std::vector<std::string>;

std::string change(const std::string& what) {
  return "Subscription " + what + " stripe:evt_customer.subscription.updated_1780000000";
}

// What Klaviyo records for a Checkout of `amount`.
Json value_of(const std::string& currency, std::int64_t amount) {
  StripeShop shop;
  Json session = stripe_session();
  session["currency"] = currency;
  session["amount_total"] = amount;
  session["total_details"] = nullptr;
  shop.deliver(stripe_event("checkout.session.completed", session).dump());
  const auto events = shop.recorded();
  return events.empty() ? Json() : events[0]["properties"]["$value"];
}

TEST(StripeEvents, AmountsHaveStripesDigits) {
  EXPECT_EQ(value_of("usd", 1234), 12.34);
  EXPECT_EQ(value_of("jpy", 4950), 4950);
  EXPECT_EQ(value_of("kwd", 12340), 12.34);
  EXPECT_EQ(value_of("isk", 500000), 5000);
  EXPECT_EQ(value_of("ugx", 500000), 5000);
  EXPECT_EQ(value_of("mga", 5000), 5000);
  EXPECT_EQ(value_of("iqd", 5000), 50);
  EXPECT_EQ(value_of("huf", 5000), 50);
}

// Stripe counts krónur and Ugandan shillings in hundredths; the schema's ISK and UGX have none.
TEST(StripeEvents, AnAmountThatTheCurrencyCannotExpressIsRefused) {
  EXPECT_EQ(value_of("isk", 100'050), Json());
  EXPECT_EQ(value_of("ugx", 100'050), Json());
  EXPECT_EQ(value_of("isk", 550), Json());
  EXPECT_EQ(value_of("usd", -1), Json());
  EXPECT_EQ(value_of("isk", std::numeric_limits<std::int64_t>::max()), Json());
}

TEST(StripeEvents, ASessionThatIsNotPaidIsNoOrderAndAFreeOneIs) {
  Json session = stripe_session();
  session["payment_status"] = "unpaid";
  EXPECT_EQ(events_of(stripe_event("checkout.session.completed", session)), Names{});
  session["payment_status"] = "no_payment_required";
  session["amount_total"] = 0;
  session["payment_intent"] = nullptr;
  EXPECT_EQ(events_of(stripe_event("checkout.session.completed", session)),
            Names{"Placed Order stripe:cs_1"});
}

// A session that was begun `created` seconds after the start and has expired; somebody with its
// address has bought 100 seconds after the start.
std::size_t abandoned(long created, bool by_stripe) {
  StripeShop shop(WallTime(std::chrono::seconds(kStripeStart + 100)));
  if (by_stripe) {
    Json bought = stripe_session();
    bought["payment_status"] = "unpaid";
    shop.deliver(stripe_event("checkout.session.completed", bought, nullptr, 100).dump());
  } else {
    klaviyo::Order order;
    order.order_id = "1001";
    order.currency = klaviyo::Currency("USD");
    order.customer.email = kStripeEmail;
    order.items.push_back({});
    order.items[0].product_id = order.items[0].name = "P1";
    EXPECT_TRUE(shop.tracker->track(klaviyo::order_placed(order)));
  }
  shop.pass(by_stripe ? 72h : 23h);
  Json left = stripe_session();
  left.update({{"id", "cs_2"}, {"payment_status", "unpaid"}, {"created", kStripeStart + created}});
  EXPECT_EQ(
      shop.deliver(stripe_event("checkout.session.expired", left, nullptr, 86'400).dump()).status,
      200);
  std::size_t count = 0;
  for (const Json& event : shop.recorded()) count += event["metric"] == "Abandoned Checkout";
  return count;
}

TEST(StripeEvents, AnExpiredSessionDoesNotSpeakForSomebodyWhoHasBoughtSince) {
  for (const bool by_stripe : {true, false}) {
    EXPECT_EQ(abandoned(50, by_stripe), 0U);
    EXPECT_EQ(abandoned(200, by_stripe), 1U);
  }
}

TEST(StripeEvents, ACheckoutForASubscriptionCountsByItsInvoiceAlone) {
  Json session = stripe_session();
  session["mode"] = "subscription";
  EXPECT_EQ(events_of(stripe_event("checkout.session.completed", session)), Names{});
}

TEST(StripeEvents, AnInvoiceThatACreditCoversIsARenewalAndNoOrder) {
  EXPECT_EQ(
      events_of(stripe_event("invoice.paid", stripe_invoice("in_1", "subscription_cycle", 0))),
      Names{"Subscription Renewed stripe:in_1:renewed"});
  Json trial = stripe_invoice("in_1", "subscription_create", 0);
  trial["total"] = 0;
  EXPECT_EQ(events_of(stripe_event("invoice.paid", trial)), Names{});
}

TEST(StripeEvents, AConnectAccountStandsInTheKey) {
  Json body = stripe_event("invoice.paid", stripe_invoice("in_1", "manual"));
  body["account"] = "acct_7";
  EXPECT_EQ(events_of(body), Names{"Placed Order stripe:acct_7:in_1"});
}

TEST(StripeEvents, ADearerPlanIsAnUpgradeAndAnotherIntervalIsNeither) {
  const Json before = {{"items", stripe_items(stripe_price("basic", 1000))}};
  const auto to = [&](const Json& price, long quantity = 1) {
    return updated(stripe_subscription("active", stripe_items(price, quantity)), before);
  };
  EXPECT_EQ(to(stripe_price("pro", 2500)), Names{change("Upgraded")});
  EXPECT_EQ(to(stripe_price("basic", 1000), 3), Names{change("Upgraded")});
  EXPECT_EQ(to(stripe_price("mini", 500)), Names{change("Downgraded")});
  EXPECT_EQ(to(stripe_price("year", 10'000, "year")), Names{change("Changed")});
  EXPECT_EQ(to(stripe_price("same", 1000)), Names{change("Changed")});
  EXPECT_EQ(to(stripe_price("basic", 1000)), Names{});
  Json tiers = stripe_price("tiers", 0);
  tiers["unit_amount"] = nullptr;
  EXPECT_EQ(to(tiers), Names{change("Changed")});
}

TEST(StripeEvents, APlanIsDearerWhenItsPayerPaysMore) {
  const auto priced = [](const char* id, Json options) {
    Json price = stripe_price(id, 1000);
    price["currency"] = "eur";
    price["currency_options"] = std::move(options);
    return stripe_items(price);
  };
  const auto in_dollars = [](long amount) { return Json{{"usd", {{"unit_amount", amount}}}}; };
  const auto to = [&](const Json& now, const Json& before) {
    return updated(stripe_subscription("active", now), {{"items", before}});
  };
  EXPECT_EQ(to(priced("b", in_dollars(900)), priced("a", in_dollars(800))),
            Names{change("Upgraded")});
  EXPECT_EQ(to(priced("b", in_dollars(700)), priced("a", in_dollars(800))),
            Names{change("Downgraded")});
  EXPECT_EQ(to(priced("b", nullptr), priced("a", nullptr)), Names{change("Changed")});

  Json metered = stripe_price("b", 2000);
  metered["recurring"]["usage_type"] = "metered";
  EXPECT_EQ(to(stripe_items(metered), stripe_items(stripe_price("a", 1000))),
            Names{change("Changed")});
  Json yearly = stripe_price("b", 13'000, "year");
  Json twelve = stripe_price("a", 12'000);
  twelve["recurring"]["interval_count"] = 12;
  EXPECT_EQ(to(stripe_items(yearly), stripe_items(twelve)), Names{change("Upgraded")});
  Json packages = stripe_price("a", 1000);
  packages["transform_quantity"] = {{"divide_by", 10}, {"round", "up"}};
  Json singles = stripe_price("b", 150);
  EXPECT_EQ(to(stripe_items(singles, 11), stripe_items(packages, 11)), Names{change("Downgraded")});
}

TEST(StripeEvents, AnEndIsScheduledByTheFlagOrByTheDateAndTakenBackByBoth) {
  Json ending = stripe_subscription("active");
  ending["canceled_at"] = kStripeStart + 5;
  const Names cancelled{"Subscription Cancelled stripe:sub_1:cancelled:1780000005"};
  const Names reactivated{"Subscription Reactivated stripe:sub_1:reactivated:1780000005"};
  const Json free = stripe_subscription("active");

  ending["cancel_at_period_end"] = true;
  EXPECT_EQ(updated(ending, {{"cancel_at_period_end", false}}), cancelled);
  EXPECT_EQ(updated(free, {{"cancel_at_period_end", true}, {"canceled_at", kStripeStart + 5}}),
            reactivated);
  ending["cancel_at"] = kStripeStart + 900;
  EXPECT_EQ(updated(ending, {{"cancel_at_period_end", false}, {"cancel_at", nullptr}}), cancelled);
  ending["cancel_at_period_end"] = false;
  EXPECT_EQ(updated(ending, {{"cancel_at", nullptr}}), cancelled);
  EXPECT_EQ(updated(free, {{"cancel_at", kStripeStart + 900}, {"canceled_at", kStripeStart + 5}}),
            reactivated);
  EXPECT_EQ(updated(ending, {{"cancel_at", kStripeStart + 800}}), Names{});
}

TEST(StripeEvents, OnlyWhatHasBegunIsAStart) {
  const Names started{"Subscription Started stripe:sub_1:started"};
  EXPECT_EQ(updated(stripe_subscription("active"), {{"status", "incomplete"}}), started);
  EXPECT_EQ(updated(stripe_subscription("active"), {{"status", "trialing"}}), started);
  EXPECT_EQ(updated(stripe_subscription("active"), {{"status", "past_due"}}), Names{});
  EXPECT_EQ(updated(stripe_subscription("incomplete_expired"), {{"status", "incomplete"}}),
            Names{});
  const auto created = [](const char* status) {
    return events_of(stripe_event("customer.subscription.created", stripe_subscription(status)));
  };
  EXPECT_EQ(created("active"), started);
  EXPECT_EQ(created("incomplete"), Names{});
  EXPECT_EQ(created("trialing"), Names{"Subscription Trial Started stripe:sub_1:trial:1780000000"});
}

TEST(StripeEvents, ACollectionThatIsPausedAndGoesOnIsTold) {
  Json paused = stripe_subscription("active");
  paused["pause_collection"] = {{"behavior", "void"}, {"resumes_at", nullptr}};
  EXPECT_EQ(updated(paused, {{"pause_collection", nullptr}}), Names{change("Paused")});
  EXPECT_EQ(updated(stripe_subscription("active"), {{"pause_collection", {{"behavior", "void"}}}}),
            Names{change("Resumed")});
}

TEST(StripeEvents, APartialRefundHasAKeyOfItsOwnAndTheLastOneTheOrders) {
  StripeShop shop;
  for (const Json& body : stripe_purchase()) shop.deliver(body.dump());
  std::map<std::string, Json> refunds;
  for (const Json& event : shop.recorded()) refunds[event["metric"]] = event["properties"];
  EXPECT_EQ(refunds["Partially Refunded Order"]["$event_id"], "stripe:ch_1:refunded:1000");
  EXPECT_EQ(refunds["Partially Refunded Order"]["$value"], 10);
  EXPECT_EQ(refunds["Refunded Order"]["$event_id"], "stripe:pi_1");
  EXPECT_EQ(refunds["Refunded Order"]["$value"], 20);
}

TEST(StripeEvents, UnknownAndThinEventsAreIgnoredAndWhatIsNoEventIsAnError) {
  const auto ignored = [](const std::string& body) {
    const auto mapping = stripe::to_events(body);
    return mapping ? mapping->ignored : mapping.error().message;
  };
  EXPECT_EQ(ignored(R"({"id":"evt_1","object":"event","type":"brand.new"})"), "no mapping");
  EXPECT_EQ(ignored(R"({"id":"evt_1","object":"v2.core.event","created":"2026"})"), "thin event");
  EXPECT_EQ(ignored("{}"), R"(object must be "event")");
  EXPECT_EQ(ignored("[1"), "the body must be JSON in UTF-8");
  EXPECT_EQ(ignored("{\"object\":\"\xff\"}"), "the body must be JSON in UTF-8");
  Json body = stripe_purchase()[2];
  body.erase("livemode");
  EXPECT_EQ(ignored(body.dump()), "livemode must be true or false, found nothing");
  body["livemode"] = false;
  EXPECT_EQ(ignored(body.dump()), "test mode");
}

TEST(StripeEvents, EnvelopesOfCloudServicesAreOpened) {
  const Json body = stripe_event("invoice.paid", stripe_invoice("in_1", "manual"));
  const Names placed{"Placed Order stripe:in_1"};
  EXPECT_EQ(events_of({{"version", "0"}, {"detail", body}}), placed);
  EXPECT_EQ(events_of({{"specversion", "1.0"}, {"data", body}}), placed);
}

}  // namespace
}  // namespace postbox::tests

// What Stripe really sends, through the real server to Klaviyo: the bodies of the field (F01, F02,
// F09, F11, F12, F18 of the shared folder) in their order of arrival, and small ones of our own.
#include "support/field_shop.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_revenue.hpp"

namespace postbox::tests {
namespace {

using Counts = std::map<std::string, long>;

class WhatStripeSends : public FieldShop {
 protected:
  static std::vector<Json> bodies_of(const std::string& name) {
    return sent_now(field_case(name + ".json"));
  }

  // As if the last of them had just been sent.
  static std::vector<Json> sent_now(Json bodies) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const long last = bodies.back()["created"];
    shift(bodies, std::chrono::duration_cast<std::chrono::seconds>(now).count() - last);
    return bodies.get<std::vector<Json>>();
  }

  // What Klaviyo records of them; Stripe delivers each of them a second time. `waiting` bodies may
  // still learn more from others, for some minutes.
  std::vector<Json> play(const std::vector<Json>& bodies, const Json& own = Json::object(),
                         int waiting = 0) {
    EXPECT_TRUE(serve(own)) << log();
    for (int turns = 0; turns < 2; ++turns) deliver_all(bodies);
    EXPECT_EQ(metric("stripe_webhooks_total{state=\"waiting\"}"), waiting);
    auto recorded = events();
    expect_conservation();
    return recorded;
  }

  void deliver_all(const std::vector<Json>& bodies) const {
    for (const Json& body : bodies) EXPECT_EQ(deliver(body.dump()), 200) << body;
  }

  void wait_until_armed(double carts) const {
    for (int question = 0; question < 200'000; ++question) {
      if (metric(state("timers_pending")) == carts) return;
      std::this_thread::yield();
    }
    FAIL() << "timers of carts: " << metric(state("timers_pending"));
  }

  // A cart of somebody else and one of each of their buyers, who is known by the number where the
  // body has one; then the bodies. One cart may be left.
  void expect_carts_ended(const std::vector<Json>& bodies) {
    ASSERT_TRUE(serve({{"KLAVIYO_CART_QUIET_TIME", "0s"}})) << log();
    std::vector<Json> buyers = {{{"email", "else@goldenacre.example"}}};
    for (const Json& body : bodies) {
      const Json& known = body["data"]["object"]["customer_details"];
      const char* by = known.contains("phone") ? "phone" : "email";
      buyers.push_back({{by, known[by]}});
    }
    for (std::size_t i = 0; i < buyers.size(); ++i) {
      Json cart = order("");
      cart["cart_id"] = "c-" + std::to_string(i);
      cart["customer"] = buyers[i];
      const auto answer =
          client().Put("/cart/u-" + std::to_string(i), cart.dump(), "application/json");
      ASSERT_TRUE(answer && answer->status == 202) << buyers[i];
    }
    wait_until_armed(static_cast<double>(buyers.size()));
    deliver_all(bodies);
    wait_until_armed(1);
    EXPECT_EQ(counts_of(events())["Abandoned Checkout"], 0);
  }

  static Counts counts_of(const std::vector<Json>& events) {
    Counts counts;
    for (const Json& event : events) ++counts[event["metric"]];
    return counts;
  }

  static void expect_money(const std::vector<Json>& events, const Counts& counts, long revenue,
                           const std::string& email) {
    EXPECT_EQ(counts_of(events), counts);
    EXPECT_EQ(revenue_of(events), revenue);
    for (const Json& event : events) EXPECT_EQ(event["email"], email);
  }

 private:
  // Every time of today, by `seconds`. No amount of these bodies is as large as a time.
  static void shift(Json& json, long seconds) {
    if (json.is_number_integer() && json > 1'700'000'000 && json < 2'000'000'000) {
      json = json.get<long>() + seconds;
    }
    if (!json.is_structured()) return;
    for (Json& member : json) shift(member, seconds);
  }
};

// Skips where the folder of the field is absent.
class WhatStripeSentOthers : public WhatStripeSends {
 protected:
  void SetUp() override {
    if (field_case("F01a.json").is_null()) GTEST_SKIP() << "no cases from the field";
    WhatStripeSends::SetUp();
  }
};

TEST_F(WhatStripeSentOthers, F01AReleasedHoldIsNoRefund) {
  EXPECT_EQ(counts_of(play(bodies_of("F01a"))), Counts());
  // Alone it waits for the order that it may cancel; stripe_field_test lets that time pass.
  for (const char* name : {"F01b", "F01c"}) {
    EXPECT_EQ(counts_of(play(bodies_of(name), {}, 1)), Counts()) << name;
  }
  expect_money(play(bodies_of("F01d")), {{"Placed Order", 1}, {"Cancelled Order", 1}}, 0,
               "halina@goldenacre.example");
}

TEST_F(WhatStripeSentOthers, F02AHoldIsAnOrderOfWhatWasCaptured) {
  for (const char* reports : {"checkout, refunds", "checkout, refunds, payment_intents"}) {
    const Json chosen = {{"STRIPE_EVENTS", reports}};
    expect_money(play(bodies_of("F02a"), chosen), {{"Placed Order", 1}}, 15'000,
                 "halina@goldenacre.example");
    expect_money(play(bodies_of("F02b"), chosen), {{"Placed Order", 1}, {"Refunded Order", 1}}, 0,
                 "halina@goldenacre.example");
    expect_money(play(bodies_of("F02c"), chosen),
                 {{"Placed Order", 1}, {"Partially Refunded Order", 1}}, 8'500,
                 "halina@goldenacre.example");
  }
}

TEST_F(WhatStripeSentOthers, F09FractionsOfACentAreExact) {
  const auto only = [this](const char* name, const char* metric) {
    const auto events = play(bodies_of(name));
    EXPECT_EQ(counts_of(events), (Counts{{metric, 1}})) << name;
    return events.empty() ? Json() : events[0]["properties"];
  };
  EXPECT_EQ(only("F09a", "Subscription Started")["Amount"], 0.0075);
  const Json more = only("F09b", "Subscription Upgraded");
  EXPECT_EQ(more["Amount"], 0.0075);
  EXPECT_EQ(more["Quantity"], 5000);
  const Json less = only("F09c", "Subscription Downgraded");
  EXPECT_EQ(less["Amount"], 0.1);
  EXPECT_EQ(less["PreviousAmount"], 0.125);
  (void)only("F09d", "Subscription Started");
}

TEST_F(WhatStripeSentOthers, F11MoneyThatABankTakesIsShownOnceAndShownAgainWhenItComesBack) {
  auto bodies = bodies_of("F11a");
  expect_money(play(bodies), {{"Placed Order", 1}, {"Refunded Order", 1}}, 0,
               "noor@goldenacre.example");
  bodies[3]["data"]["object"]["status"] = "won";
  Json reinstated = bodies[3];
  reinstated["id"] = "evt_again";
  reinstated["type"] = "charge.dispute.funds_reinstated";
  bodies.push_back(reinstated);
  expect_money(play(bodies), {{"Placed Order", 2}, {"Refunded Order", 1}}, 500,
               "noor@goldenacre.example");
}

TEST_F(WhatStripeSentOthers, F12AFreeOrderIsAnOrderAndEveryCompletedSessionEndsTheCart) {
  EXPECT_EQ(counts_of(play(bodies_of("F12"))), (Counts{{"Placed Order", 2}}));
  EXPECT_EQ(counts_of(play(bodies_of("F12b"))), (Counts{{"Placed Order", 1}}));
  for (const char* name : {"F12", "F12b"}) expect_carts_ended(bodies_of(name));
}

TEST_F(WhatStripeSentOthers, F18ASessionAndItsInvoiceAreOneOrder) {
  for (const char* name : {"F18a", "F18b", "F18c", "F18d"}) {
    SCOPED_TRACE(name);
    expect_money(play(bodies_of(name)), {{"Placed Order", 1}}, 5'000, "x@goldenacre.example");
  }
}

// Bodies of our own making, sent now.
class WhatStripeSendsUs : public WhatStripeSends {
 protected:
  static constexpr const char* kBuyer = kStripeEmail;

  static Json session_with(const Json& changes = Json::object()) {
    Json session = stripe_session();
    session.update(changes);
    return stripe_event("checkout.session.completed", session);
  }

  // Of the session's 30.00.
  static Json charge_with(const Json& changes) {
    Json charge = stripe_charge(0);
    charge["billing_details"]["email"] = kStripeEmail;
    charge.update(changes);
    return charge;
  }

  static Json dispute(const std::string& event, const std::string& status) {
    return stripe_event("charge.dispute." + event, {{"id", "du_1"},
                                                    {"object", "dispute"},
                                                    {"amount", 3000},
                                                    {"charge", "ch_1"},
                                                    {"payment_intent", "pi_1"},
                                                    {"currency", "usd"},
                                                    {"status", status}});
  }
};

TEST_F(WhatStripeSendsUs, AHoldIsMoneyOnlyWhenItIsCaptured) {
  const Json held = session_with({{"payment_status", "unpaid"}});
  const Json released = stripe_event(
      "charge.refunded",
      charge_with({{"captured", false}, {"amount_captured", 0}, {"amount_refunded", 3000}}),
      {{"amount_refunded", 0}}, 1);
  EXPECT_EQ(counts_of(play(sent_now({held, released}))), Counts());
  expect_money(play(sent_now({session_with(), released})),
               {{"Placed Order", 1}, {"Cancelled Order", 1}}, 0, kBuyer);

  const Json in_part = stripe_event(
      "charge.captured",
      charge_with({{"captured", true}, {"amount_captured", 2000}, {"amount_refunded", 1000}}),
      {{"captured", false}, {"amount_captured", 0}, {"amount_refunded", 0}}, 1);
  expect_money(play(sent_now({held, in_part})), {{"Placed Order", 1}}, 2'000, kBuyer);
  expect_money(play(sent_now({session_with(), in_part})),
               {{"Placed Order", 1}, {"Partially Refunded Order", 1}}, 2'000, kBuyer);
  const Json given_back = stripe_event("charge.refunded",
                                       charge_with({{"captured", true},
                                                    {"amount_captured", 2000},
                                                    {"amount_refunded", 3000},
                                                    {"refunded", true}}),
                                       {{"amount_refunded", 1000}}, 2);
  expect_money(play(sent_now({held, in_part, given_back})),
               {{"Placed Order", 1}, {"Refunded Order", 1}}, 0, kBuyer);
}

TEST_F(WhatStripeSendsUs, ADisputeThatIsLostTakesTheOrderBack) {
  const std::vector<Json> lost = {session_with(), dispute("created", "needs_response"),
                                  dispute("funds_withdrawn", "needs_response"),
                                  dispute("closed", "lost")};
  expect_money(play(sent_now(lost)), {{"Placed Order", 1}, {"Refunded Order", 1}}, 0, kBuyer);
}

TEST_F(WhatStripeSendsUs, EveryCompletedSessionEndsTheCartAndAFreeOneIsAnOrder) {
  const auto buyer = [](const std::string& name, Json changes) {
    changes["id"] = "cs_" + name;
    changes["customer"] = nullptr;
    changes["customer_details"]["email"] = name + "@goldenacre.example";
    Json event = session_with(changes);
    event["id"] = "evt_" + name;
    return event;
  };
  const auto bodies =
      sent_now({buyer("free", {{"payment_status", "no_payment_required"},
                               {"amount_total", 0},
                               {"payment_intent", nullptr}}),
                buyer("debit", {{"payment_status", "unpaid"}, {"payment_intent", "pi_2"}}),
                buyer("caller", {{"payment_status", "unpaid"},
                                 {"payment_intent", "pi_3"},
                                 {"customer_details", {{"phone", "+491701234567"}}}}),
                buyer("plan", {{"mode", "subscription"},
                               {"payment_status", "no_payment_required"},
                               {"amount_total", 0},
                               {"payment_intent", nullptr},
                               {"subscription", "sub_9"}})});
  expect_money(play(bodies), {{"Placed Order", 1}}, 0, "free@goldenacre.example");
  expect_carts_ended(bodies);
}

TEST_F(WhatStripeSendsUs, ASessionAndTheInvoiceOfItsPaymentAreOneOrder) {
  Json invoice = stripe_invoice("in_1", "manual", 3000);
  invoice.update({{"payment_intent", "pi_1"}, {"parent", nullptr}, {"total", 3000}});
  const Json paid = stripe_event("invoice.paid", invoice, nullptr, 1);
  for (const auto& bodies : {std::vector{paid, session_with()}, {session_with(), paid}}) {
    expect_money(play(sent_now(bodies)), {{"Placed Order", 1}}, 3'000, kBuyer);
  }
}

TEST_F(WhatStripeSendsUs, FractionsOfACentAreExact) {
  const auto items = [](long quantity) {
    Json price = stripe_price("pixels", 0);
    price.update({{"unit_amount", nullptr}, {"unit_amount_decimal", "0.25"}});
    return stripe_items(price, quantity);
  };
  const auto recorded = play(sent_now(
      {stripe_event("customer.created", stripe_customer()),
       stripe_event("customer.subscription.updated", stripe_subscription("active", items(800)),
                    {{"items", items(400)}}, 1)}));
  ASSERT_EQ(counts_of(recorded)["Subscription Upgraded"], 1);
  for (const Json& event : recorded) {
    EXPECT_EQ(event["email"], kBuyer);
    if (event["metric"] != "Subscription Upgraded") continue;
    EXPECT_EQ(event["properties"]["Amount"], 0.0025);
    EXPECT_EQ(event["properties"]["Quantity"], 800);
  }
}

}  // namespace
}  // namespace postbox::tests

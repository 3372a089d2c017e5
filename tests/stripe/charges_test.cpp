// Every path of a charge to its end: what Klaviyo believes that the shop has earned is what
// Stripe's balance says.
#include <gtest/gtest.h>

#include "support/stripe_events.hpp"
#include "support/stripe_revenue.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// A charge with what happens to it, as Stripe's bodies say it, and what is in the balance.
class Story {
 public:
  explicit Story(std::string id = "1", long amount = 3000) : id_(std::move(id)) {
    charge_ = stripe_charge(0);
    charge_.update({{"id", "ch_" + id_},
                    {"payment_intent", "pi_" + id_},
                    {"amount", amount},
                    {"amount_captured", amount},
                    {"captured", true}});
  }

  Story& session(const char* status) {
    Json session = stripe_session();
    session.update({{"id", "cs_" + id_},
                    {"payment_intent", "pi_" + id_},
                    {"payment_status", status},
                    {"amount_total", charge_["amount"]}});
    return tell("checkout.session.completed", session);
  }
  Story& pay() {
    balance += charge_["amount"].get<long>();
    return session("paid");
  }
  Story& hold(const char* status = "unpaid") {
    charge_.update({{"captured", false}, {"amount_captured", 0}});
    return session(status);
  }
  Story& capture(long amount) {
    const Json before = charge_;
    const long released = charge_["amount"].get<long>() - amount;
    charge_.update(
        {{"captured", true}, {"amount_captured", amount}, {"amount_refunded", released}});
    balance += amount;
    return tell("charge.captured", charge_, before);
  }
  Story& release() {
    const Json before = charge_;
    charge_.update({{"amount_refunded", charge_["amount"]}, {"refunded", true}});
    return tell("charge.refunded", charge_, before);
  }
  Story& refund(long amount) {
    const Json before = charge_;
    const long sum = charge_["amount_refunded"].get<long>() + amount;
    charge_.update({{"amount_refunded", sum}, {"refunded", sum == charge_["amount"]}});
    balance -= amount;
    return tell("charge.refunded", charge_, before);
  }
  Story& fail(long amount) {
    const long sum = charge_["amount_refunded"].get<long>() - amount;
    charge_.update({{"amount_refunded", sum}, {"refunded", false}});
    balance += amount;
    const Json refund = {{"id", "re_" + std::to_string(bodies.size())},
                         {"object", "refund"},
                         {"amount", amount},
                         {"charge", charge_["id"]},
                         {"currency", "usd"},
                         {"payment_intent", charge_["payment_intent"]},
                         {"status", "failed"}};
    tell("refund.updated", refund);
    return tell("refund.failed", refund);
  }
  Story& dispute(const char* type, const char* status, long amount, long moves) {
    balance += moves;
    return tell(std::string("charge.dispute.") + type, {{"id", "du_" + id_},
                                                        {"object", "dispute"},
                                                        {"amount", amount},
                                                        {"charge", charge_["id"]},
                                                        {"payment_intent", "pi_" + id_},
                                                        {"currency", "usd"},
                                                        {"reason", "fraudulent"},
                                                        {"status", status}});
  }
  Story& tell(const std::string& type, const Json& object, const Json& before = nullptr) {
    Json previous;
    for (const auto& [name, value] : before.items()) {
      if (object[name] != value) previous[name] = value;
    }
    Json body = stripe_event(type, object, previous, second_++);
    body["id"] = body["id"].get<std::string>() + "_" + id_;
    bodies.push_back(body);
    return *this;
  }

  long balance = 0;
  std::vector<Json> bodies;

 private:
  std::string id_;
  Json charge_;
  long second_ = 1;
};

std::vector<Json> recorded_of(const std::vector<Json>& bodies) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  for (int turns = 0; turns < 2; ++turns) {
    for (const Json& body : bodies) EXPECT_EQ(shop.deliver(body.dump()).status, 200) << body;
  }
  shop.pass(6min);
  shop.pass(6min);
  return shop.recorded();
}

std::vector<Story> every_path() {
  std::vector<Story> all;
  const auto path = [&all]() -> Story& { return all.emplace_back(); };
  path().pay();
  path().pay().refund(3000);
  path().pay().refund(1000).refund(2000);
  path().pay().refund(1000).refund(500);
  path().pay().refund(3000).fail(3000);
  path().pay().refund(3000).fail(3000).refund(3000);
  path().pay().refund(3000).fail(3000).refund(3000).fail(3000).refund(1000);
  path().pay().refund(1000).fail(1000).refund(1000).refund(2000);
  path().hold().release();
  path().hold("paid").release();
  path().hold().capture(3000);
  path().hold().capture(3000).refund(3000);
  path().hold().capture(1700);
  path().hold().capture(1700).refund(1700);
  path().hold().capture(1700).refund(500).refund(1200);
  path().hold("paid").capture(3000);
  path().hold("paid").capture(1700);
  path().hold("paid").capture(1700).refund(1700);
  path().hold("paid").capture(1700).refund(200);
  path().hold("paid").capture(1700).refund(1700).fail(1700).refund(1700);
  path().pay().dispute("created", "needs_response", 3000, 0);
  path()
      .pay()
      .dispute("created", "warning_needs_response", 3000, 0)
      .dispute("closed", "warning_closed", 3000, 0);
  path()
      .pay()
      .dispute("created", "needs_response", 3000, 0)
      .dispute("funds_withdrawn", "needs_response", 3000, -3000)
      .dispute("closed", "lost", 3000, 0);
  path().pay().dispute("closed", "lost", 3000, -3000);
  path()
      .pay()
      .dispute("funds_withdrawn", "needs_response", 3000, -3000)
      .dispute("funds_reinstated", "won", 3000, 3000)
      .dispute("closed", "won", 3000, 0);
  path()
      .pay()
      .dispute("funds_withdrawn", "needs_response", 3000, -3000)
      .dispute("closed", "won", 3000, 3000)
      .refund(3000);
  path().pay().refund(1000).dispute("funds_withdrawn", "needs_response", 2000, -2000);
  path()
      .hold()
      .capture(1700)
      .dispute("funds_withdrawn", "needs_response", 1700, -1700)
      .dispute("closed", "won", 1700, 1700);
  return all;
}

TEST(StripeCharges, TheRevenueIsWhatStripesBalanceSaysAtTheEndOfEveryPath) {
  int number = 0;
  for (const Story& story : every_path()) {
    SCOPED_TRACE("path " + std::to_string(number++));
    const auto events = recorded_of(story.bodies);
    EXPECT_EQ(revenue_of(events), story.balance);
    EXPECT_LE(count_of(events, "Refunded Order") + count_of(events, "Cancelled Order"), 1);
    for (const Json& event : events) EXPECT_EQ(event["email"], kStripeEmail);
  }
}

TEST(StripeCharges, ASessionThatIsReportedLastChangesNothing) {
  int number = 0;
  for (Story& story : every_path()) {
    SCOPED_TRACE("path " + std::to_string(number++));
    std::rotate(story.bodies.begin(), story.bodies.begin() + 1, story.bodies.end());
    EXPECT_EQ(revenue_of(recorded_of(story.bodies)), story.balance);
  }
}

TEST(StripeCharges, ACaptureOfAPaymentThatTheShopHasMadeItselfIsNoOrderUnlessChosen) {
  Story story;
  story.hold().capture(1700);
  story.bodies.erase(story.bodies.begin());
  EXPECT_TRUE(recorded_of(story.bodies).empty());
}

TEST(StripeCharges, TwoPaymentsOfOneInvoiceAreBothRefunded) {
  Json invoice = stripe_invoice("in_1", "manual", 5000);
  Story first("1", 3000);
  Story second("2", 2000);
  first.refund(3000);
  second.refund(2000);
  std::vector<Json> bodies = {
      stripe_event("invoice.paid", invoice),
      stripe_event("invoice_payment.paid", stripe_invoice_payment("in_1", "pi_1")),
      stripe_event("invoice_payment.paid", stripe_invoice_payment("in_1", "pi_2"), nullptr, 1),
      first.bodies[0], second.bodies[0]};
  for (int turns = 0; turns < 5; ++turns) {
    const auto events = recorded_of(bodies);
    EXPECT_EQ(revenue_of(events), 0);
    EXPECT_EQ(count_of(events, "Refunded Order"), 1);
    std::rotate(bodies.begin(), bodies.begin() + 1, bodies.end());
  }
  bodies.resize(4);
  const auto events =
      recorded_of({stripe_event("invoice.paid", invoice), bodies[1], bodies[2], first.bodies[0]});
  EXPECT_EQ(revenue_of(events), 2000);
}

TEST(StripeCharges, AHoldThatIsCapturedInSeveralPartsIsTheirSum) {
  Story story;
  story.hold();
  Json charge = stripe_charge(0);
  charge.update({{"captured", true}, {"amount_captured", 1000}});
  Json more = charge;
  more["amount_captured"] = 1700;
  story.tell("charge.captured", charge);
  story.tell("charge.captured", more, charge);
  EXPECT_EQ(revenue_of(recorded_of(story.bodies)), 1700);
}

}  // namespace
}  // namespace postbox::tests

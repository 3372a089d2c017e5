// Nothing leaves but what the events' documentation names.
#include <gtest/gtest.h>

#include <set>

#include "support/raw_file.hpp"
#include "support/stripe_bodies.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// Every name in an event's payload, however deep.
const std::set<std::string> kAllowed = {
    // Klaviyo's own
    "$event_id", "$value", "$currency_code",
    // orders, refunds and carts
    "OrderId", "ItemNames", "Items", "ProductID", "ProductName", "Quantity", "RowTotal", "PriceID",
    "Proration", "BillingReason", "InvoiceNumber", "SubscriptionId", "Recurring", "DiscountValue",
    "Tax", "RefundAmount", "TotalRefunded", "ChargeId", "ChargeAmount", "CartId", "CartTotal",
    "RecoveryURL", "Currency", "ItemPrice",
    // subscriptions
    "PlanId", "ProductId", "Status", "Amount", "Interval", "IntervalCount", "CurrentPeriodEnd",
    "TrialEnd", "IsTrial", "ConvertedFromTrial", "PriceId", "NoUnits", "Total", "PeriodStart",
    "PeriodEnd", "Recovered", "PreviousPlanId", "PreviousAmount", "PreviousQuantity",
    "PreviousPriceId", "CancelledAt", "EffectiveAt", "Immediate", "Reason", "Feedback",
    "Involuntary", "PauseKind", "ResumesAt", "TrialStart", "ExistingSubscription",
    // payments
    "PaymentId", "AttemptCount", "FinalAttempt", "NextPaymentAttempt"};

void collect(const Json& node, std::set<std::string>& names, std::set<std::string>& texts) {
  if (node.is_string()) texts.insert(node.get<std::string>());
  if (node.is_array()) {
    for (const Json& child : node) collect(child, names, texts);
  }
  if (!node.is_object()) return;
  for (const auto& [name, child] : node.items()) {
    names.insert(name);
    collect(child, names, texts);
  }
}

constexpr const char* kSecretText = "must-not-leave";

// Members that Stripe's objects have, or may get: in every object.
void add_secrets(Json& node) {
  if (!node.is_structured()) return;
  for (Json& child : node) add_secrets(child);
  if (!node.is_object()) return;
  for (const char* name :
       {"client_secret", "hosted_invoice_url", "invoice_pdf", "phone", "name", "address",
        "payment_method", "payment_method_details", "metadata", "custom_fields", "brand_new"}) {
    node[name] = {{"text", kSecretText}, {"list", {kSecretText}}};
    node[std::string(name) + "_text"] = kSecretText;
  }
}

void expect_only_what_is_allowed(const std::string& body) {
  StripeShop shop;
  shop.deliver(body);
  shop.pass(1h);
  for (const Json& event : shop.recorded()) {
    std::set<std::string> names;
    std::set<std::string> texts;
    collect(event["properties"], names, texts);
    for (const std::string& name : names) {
      EXPECT_TRUE(kAllowed.contains(name)) << event["metric"] << " has " << name;
    }
    EXPECT_FALSE(texts.contains(kSecretText)) << event["metric"];
  }
}

TEST(StripePrivacy, OfOurOwnBodiesOnlyNamedPropertiesLeave) {
  auto bodies = stripe_every_kind();
  for (Json& body : bodies) {
    SCOPED_TRACE(body["type"]);
    add_secrets(body);
    expect_only_what_is_allowed(body.dump());
  }
}

TEST(StripePrivacy, OfTheCollectedBodiesOnlyNamedPropertiesLeave) {
  const auto bodies = stripe_bodies();
  if (bodies.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  for (const auto& [name, text] : bodies) {
    SCOPED_TRACE(name);
    Json body = Json::parse(text);
    add_secrets(body);
    expect_only_what_is_allowed(body.dump());
  }
}

// True when the text stands anywhere in the fact store's file or its log.
bool is_on_disk(const StripeShop& shop, const std::string& text) {
  return (contents(*shop.config.fact_store_path) + contents(*shop.config.fact_store_path + "-wal"))
             .find(text) != std::string::npos;
}

TEST(StripePrivacy, AnAddressLeavesTheFileWhenItsTimeIsOverAlsoWhenNothingHappens) {
  const std::string address = kStripeEmail;
  StripeShop shop;
  shop.restart({});  // to be found in its file
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  shop.deliver(stripe_event("checkout.session.completed", stripe_session()).dump());
  ASSERT_TRUE(is_on_disk(shop, address));
  ASSERT_TRUE(is_on_disk(shop, "bought:" + address));
  shop.pass(24h * 36);
  EXPECT_FALSE(is_on_disk(shop, "bought:" + address)) << "no body that comes now needs it";
  EXPECT_TRUE(is_on_disk(shop, address)) << "a renewal in a year needs it";
  shop.pass(24h * 365);
  EXPECT_FALSE(is_on_disk(shop, address));
}

TEST(StripePrivacy, AnAddressThatTheCustomerReplacedLeavesTheFileAfterDays) {
  const std::string address = kStripeEmail;
  StripeShop shop;
  shop.restart({});  // to be found in its file
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  Json other = stripe_customer();
  other["email"] = "new@goldenacre.example";
  Json changed = stripe_event("customer.updated", other);
  changed["created"] = kStripeStart + 10;
  shop.deliver(changed.dump());
  shop.pass(24h * 3);
  EXPECT_TRUE(is_on_disk(shop, address)) << "a body may come late";
  shop.pass(24h * 2);
  EXPECT_FALSE(is_on_disk(shop, address));
}

}  // namespace
}  // namespace postbox::tests

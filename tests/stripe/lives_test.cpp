// Every path of a subscription's statuses: it starts once, when it is active for the first time.
#include <gtest/gtest.h>

#include <functional>

#include "rfc3339.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_revenue.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

constexpr long kDay = 86'400;

using Path = std::vector<std::string>;

// A body for each status, a day apart; a path that has a trial ends it after a day.
std::vector<Json> bodies_of(const Path& path) {
  std::vector<Json> bodies = {stripe_event("customer.created", stripe_customer())};
  const bool has_trial = std::ranges::find(path, "trialing") != path.end();
  for (std::size_t i = 0; i < path.size(); ++i) {
    Json subscription = stripe_subscription(path[i]);
    if (has_trial) {
      subscription.update({{"trial_start", kStripeStart}, {"trial_end", kStripeStart + kDay}});
    }
    const auto second = static_cast<long>(i) * kDay;
    if (i == 0) {
      bodies.push_back(stripe_event("customer.subscription.created", subscription));
      continue;
    }
    bodies.push_back(stripe_event("customer.subscription.updated", subscription,
                                  {{"status", path[i - 1]}}, second));
    if (path[i - 1] != "paused" || path[i] != "active") continue;
    bodies.push_back(stripe_event("customer.subscription.resumed", subscription, nullptr, second));
  }
  return bodies;
}

std::vector<Json> recorded_of(const std::vector<Json>& bodies) {
  StripeShop shop;
  for (int turns = 0; turns < 2; ++turns) {
    for (const Json& body : bodies) EXPECT_EQ(shop.deliver(body.dump()).status, 200);
  }
  shop.pass(6min);
  return shop.recorded();
}

std::string name_of(const Path& path) {
  std::string name;
  for (const auto& status : path) name += status + " ";
  return name;
}

// Every path of up to three statuses, and of four behind a trial.
void for_each_path(Path& path, const std::function<void(const Path&)>& visit) {
  if (!path.empty()) visit(path);
  if (path.size() == (!path.empty() && path[0] == "trialing" ? 4 : 3)) return;
  for (const char* status : {"incomplete", "trialing", "active", "past_due", "unpaid", "paused"}) {
    // Nothing comes back to the first one.
    if (!path.empty() && (path.back() == status || std::string(status) == "incomplete")) continue;
    path.emplace_back(status);
    for_each_path(path, visit);
    path.pop_back();
  }
}

TEST(StripeLives, ASubscriptionStartsOnceWhenItIsActiveForTheFirstTime) {
  Path path;
  for_each_path(path, [](const Path& each) {
    const auto first = std::ranges::find(each, "active");
    const bool is_active = first != each.end();
    const auto events = recorded_of(bodies_of(each));
    EXPECT_EQ(count_of(events, "Subscription Started"), is_active ? 1 : 0) << name_of(each);
    for (const Json& event : events) {
      if (event["metric"] != "Subscription Started") continue;
      const auto day = sim::parse_date_time(event["time"].get<std::string>());
      ASSERT_TRUE(day);
      EXPECT_EQ(day->time_since_epoch() / 1s, kStripeStart + (first - each.begin()) * kDay)
          << name_of(each);
    }
  });
}

TEST(StripeLives, OneThatWasActiveBeforeAnythingWasHeardOfItDoesNotStart) {
  for (const char* before : {"past_due", "unpaid"}) {
    const auto events = recorded_of({stripe_event(
        "customer.subscription.updated", stripe_subscription("active"), {{"status", before}})});
    EXPECT_EQ(count_of(events, "Subscription Started"), 0) << before;
  }
}

TEST(StripeLives, APauseSaysItsKind) {
  for (const char* kind : {"pause_requested", "first_payment_failure", "final_payment_failure",
                           "trial_end_without_payment_method", "system"}) {
    Json paused = stripe_subscription("paused");
    paused["status_details"] = {{"paused", {{"subscription", {{"type", kind}}}}}};
    const auto events = recorded_of({stripe_event("customer.subscription.paused", paused)});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0]["properties"]["PauseKind"], kind);
  }
}

Json paid(const std::string& id, long start) {
  Json invoice = stripe_invoice(id, "subscription_cycle");
  invoice["lines"]["data"][0]["period"] = {{"start", kStripeStart + start},
                                           {"end", kStripeStart + start + 30 * kDay}};
  return stripe_event("invoice.paid", invoice, nullptr, start + 60);
}

TEST(StripeLives, TheFirstPaymentAfterATrialIsNoRenewal) {
  for (const auto& path : {Path{"trialing", "active"}, Path{"trialing", "past_due", "active"},
                           Path{"trialing", "paused", "active"}}) {
    auto bodies = bodies_of(path);
    const long first = path[1] == "paused" ? 2 * kDay : kDay;
    const auto invoices = {paid("in_1", first), paid("in_2", first + 30 * kDay)};
    for (const bool invoice_first : {true, false}) {
      auto all = bodies;
      // The invoice may come before the change that it has caused.
      all.insert(invoice_first ? all.begin() + 2 : all.end(), invoices.begin(),
                 invoices.begin() + 1);
      all.push_back(*(invoices.begin() + 1));
      const auto events = recorded_of(all);
      EXPECT_EQ(count_of(events, "Subscription Renewed"), 1) << name_of(path);
      EXPECT_EQ(count_of(events, "Placed Order"), 2) << name_of(path);
      EXPECT_EQ(count_of(events, "Subscription Started"), 1) << name_of(path);
    }
  }
}

}  // namespace
}  // namespace postbox::tests

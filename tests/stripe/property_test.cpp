#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "support/rounds.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// Whose, which and how much of every recorded event.
using Outcome = std::multiset<std::string>;

// How the bodies come: so long after it all began, and one so long after the other.
struct Delivery {
  std::chrono::milliseconds late;
  std::chrono::milliseconds gap;
};

Outcome outcome_of(const std::vector<Json>& bodies, Delivery delivery) {
  StripeShop shop(WallTime(std::chrono::seconds(kStripeStart)) + delivery.late);
  shop.config.fact_store_path = "";  // for speed
  for (const Json& body : bodies) {
    EXPECT_EQ(shop.deliver(body.dump()).status, 200);
    shop.pass(delivery.gap);
  }
  shop.pass(1h);
  Outcome outcome;
  for (const Json& event : shop.recorded()) {
    const Json& properties = event["properties"];
    outcome.insert(event["metric"].dump() + event["email"].dump() + event["external_id"].dump() +
                   properties["$event_id"].dump() + properties.value("$value", Json()).dump());
  }
  return outcome;
}

// Every body at least once, some again, in any order.
std::vector<Json> shuffled(const std::vector<Json>& bodies, std::mt19937_64& random) {
  std::vector<Json> all = bodies;
  for (std::size_t i = 0; i < bodies.size(); ++i) all.push_back(bodies[random() % bodies.size()]);
  std::shuffle(all.begin(), all.end(), random);
  return all;
}

void expect_one_outcome(const std::vector<Json>& bodies, std::size_t events) {
  const Outcome expected = outcome_of(bodies, {0s, 10ms});
  EXPECT_EQ(expected.size(), events);
  for (const Delivery delivery : {Delivery{0s, 10ms}, Delivery{24h, 3s}, Delivery{72h, 10s}}) {
    for (std::uint64_t seed = 1; seed <= rounds(40U); ++seed) {
      SCOPED_TRACE(seed);
      std::mt19937_64 random(seed);
      ASSERT_EQ(outcome_of(shuffled(bodies, random), delivery), expected)
          << delivery.gap.count() << " ms apart";
    }
  }
}

TEST(StripeProperty, AnyOrderAndRepetitionOfAPurchaseIsTheSamePurchase) {
  expect_one_outcome(stripe_purchase(), 3);
}

TEST(StripeProperty, AnyOrderAndRepetitionOfAPurchaseWithTheCardOfAnotherIsTheSamePurchase) {
  auto bodies = stripe_purchase();
  for (Json& body : bodies) {
    if (!body["type"].get<std::string>().starts_with("charge.")) continue;
    body["data"]["object"]["billing_details"]["email"] = "card.holder@goldenacre.example";
  }
  expect_one_outcome(bodies, 3);
}

TEST(StripeProperty, AnyOrderAndRepetitionOfASubscriptionsLifeIsTheSameLife) {
  expect_one_outcome(stripe_life(), 8);
}

}  // namespace
}  // namespace postbox::tests

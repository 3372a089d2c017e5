#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// Whose, which and how much of every recorded event.
using Outcome = std::multiset<std::string>;

Outcome outcome_of(const std::vector<Json>& bodies) {
  StripeShop shop;
  for (const Json& body : bodies) {
    EXPECT_EQ(shop.deliver(body.dump()).status, 200);
    shop.pass(10ms);
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
  const Outcome expected = outcome_of(bodies);
  EXPECT_EQ(expected.size(), events);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    ASSERT_EQ(outcome_of(shuffled(bodies, random)), expected);
  }
}

TEST(StripeProperty, AnyOrderAndRepetitionOfAPurchaseIsTheSamePurchase) {
  expect_one_outcome(stripe_purchase(), 3);
}

TEST(StripeProperty, AnyOrderAndRepetitionOfASubscriptionsLifeIsTheSameLife) {
  expect_one_outcome(stripe_life(), 8);
}

// One random change somewhere in the body.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  Json mutate(Json body) {
    for (std::size_t i = 0; i <= random_() % 3; ++i) change(body);
    return body;
  }

 private:
  void change(Json& body) {
    std::vector<Json*> nodes;
    collect(body, nodes);
    Json& node = *nodes[random_() % nodes.size()];
    switch (random_() % 8) {
      case 0:
        node = nullptr;
        break;
      case 1:
        node = "text";
        break;
      case 2:
        node = 1.5;
        break;
      case 3:
        node = Json::array();
        break;
      case 4:
        node = Json::object();
        break;
      case 5:
        node = Json{{"nested", Json(node)}};
        break;
      case 6:
        drop(node);
        break;
      default:
        add(node);
        break;
    }
  }

  static void collect(Json& node, std::vector<Json*>& nodes) {
    nodes.push_back(&node);
    if (!node.is_structured()) return;
    for (Json& child : node) collect(child, nodes);
  }

  void drop(Json& node) {
    if (!node.is_structured() || node.empty()) return;
    auto member = node.begin();
    std::advance(member, static_cast<long>(random_() % node.size()));
    node.erase(member);
  }

  void add(Json& node) {
    if (node.is_object()) node["unknown_" + std::to_string(random_() % 9)] = Json{{"amount", 77}};
    if (node.is_array()) node.push_back(Json{{"id", "unknown"}});
  }

  std::mt19937_64 random_;
};

void collect_amounts(const Json& node, std::set<std::int64_t>& amounts) {
  if (node.is_number_integer()) amounts.insert(node.get<std::int64_t>());
  if (!node.is_structured()) return;
  for (const Json& child : node) collect_amounts(child, amounts);
}

std::optional<std::int64_t> money_of(const stripe::Event& event) {
  if (const auto* placed = std::get_if<stripe::OrderPlaced>(&event)) {
    return placed->order().total.value_or(klaviyo::MinorUnits{}).count;
  }
  const auto* refunded = std::get_if<klaviyo::OrderEvent>(&event);
  if (refunded == nullptr) return std::nullopt;
  const auto& refund = std::get<klaviyo::Refund>(refunded->details());
  return refund.amount.value_or(klaviyo::MinorUnits{}).count;
}

// An amount of the body, or the difference of two.
bool is_of(std::int64_t money, const std::set<std::int64_t>& amounts) {
  return std::ranges::any_of(amounts, [&](std::int64_t amount) {
    return amount == money || amounts.contains(amount - money);
  });
}

TEST(StripeProperty, AChangedBodyBecomesEventsOrNothingOrANamedErrorAndNoMoneyThatItDoesNotHave) {
  auto bodies = stripe_life();
  for (Json& body : stripe_purchase()) bodies.push_back(std::move(body));
  std::size_t mapped = 0;
  std::size_t ignored = 0;
  std::size_t refused = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    const Json body = Mutator(seed).mutate(bodies[seed % bodies.size()]);
    const auto mapping = stripe::to_events(body.dump());
    if (!mapping) {
      ++refused;
      ASSERT_EQ(mapping.error().code, ErrorCode::kInvalidArgument) << body;
      ASSERT_FALSE(mapping.error().message.empty());
      continue;
    }
    ++(mapping->events.empty() ? ignored : mapped);
    ASSERT_EQ(mapping->events.empty(), !mapping->ignored.empty());
    std::set<std::int64_t> amounts;
    collect_amounts(body, amounts);
    for (const stripe::Event& event : mapping->events) {
      EventBatch batch{WallTime(std::chrono::seconds(kStripeStart))};
      std::visit([&](const auto& typed) { typed.encode(batch); }, event);
      ASSERT_NE(batch.records().empty(), batch.violations().empty()) << body;
      const auto money = money_of(event);
      ASSERT_TRUE(!money || (*money > 0 && is_of(*money, amounts))) << body;
    }
  }
  EXPECT_GT(mapped, 1'000U);
  EXPECT_GT(ignored, 1'000U);
  EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace postbox::tests

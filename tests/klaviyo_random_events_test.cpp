// Random orders, carts and subscriptions: each is recorded by klaviyo-sim as it was sent, or is
// rejected with a path. The seed is in every message.
#include <gtest/gtest.h>

#include <klaviyo/destination.hpp>
#include <klaviyo/klaviyo.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "klaviyo_sim_requests.hpp"
#include "simulator.hpp"

namespace {

using sim::Json;

// A made-up value of each kind, mostly plain, sometimes at a limit and sometimes beyond it.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  std::string text(std::size_t limit = 99'999) {
    static const std::vector<std::string> kPieces = {"a", "Thé ", "\"", "\\", "\n", "\x01",
                                                     "😀", "ß",    "$",  "/",  " ",  "0"};
    if (one_in(400)) return std::string(limit + below(2), 'x');
    if (one_in(300)) return "broken \xc3";
    std::string text;
    for (std::size_t pieces = below(12); pieces > 0; --pieces)
      text += kPieces[below(kPieces.size())];
    return text;
  }
  std::string id(std::size_t limit) {
    if (one_in(60)) return std::string(limit - 1 + below(3), 'i');
    return one_in(60) ? std::string() : "id-" + std::to_string(random_());
  }
  std::int64_t number() {
    if (one_in(60)) return std::numeric_limits<std::int64_t>::max() - static_cast<int>(below(2));
    if (one_in(60)) return -1;
    return static_cast<std::int64_t>(below(100'000));
  }
  klaviyo::Currency currency() {
    static const std::vector<const char*> kCodes = {"EUR", "JPY", "KWD", "USD", "CLF"};
    return one_in(60) ? klaviyo::Currency("eur") : klaviyo::Currency(kCodes[below(kCodes.size())]);
  }
  postbox::WallTime time() {
    const postbox::WallTime now(sim::kNow);
    if (one_in(80)) return now + std::chrono::days(365) + std::chrono::seconds(below(2));
    if (one_in(80))
      return postbox::WallTime(std::chrono::sys_days(std::chrono::year(1991) / 1 / 1)) -
             std::chrono::seconds(below(2));
    return now - std::chrono::seconds(below(100'000'000));
  }
  klaviyo::Profile profile() {
    klaviyo::Profile profile;
    if (!one_in(4)) profile.email = "c" + std::to_string(random_()) + "@goldenacre.example";
    if (one_in(80)) profile.email = std::string(60 + below(24), 'e') + "@goldenacre.example";
    if (one_in(80)) profile.email = one_in(2) ? "a@test.com" : "no address";
    if (one_in(3))
      profile.phone = one_in(20) ? "0170" : "+49170" + std::to_string(1'000'000 + below(1'000'000));
    if (!one_in(5)) profile.external_id = id(255);
    profile.first_name = text();
    return profile;
  }
  std::vector<klaviyo::Property> properties() {
    std::vector<klaviyo::Property> all;
    const std::size_t count = one_in(100) ? 380 + below(25) : below(4);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "own " + std::to_string(i);
      switch (below(5)) {
        case 0:
          all.push_back({name, one_in(2)});
          break;
        case 1:
          all.push_back({name, number()});
          break;
        case 2:
          all.push_back({name, text()});
          break;
        case 3:
          all.push_back(
              {name, std::vector<std::string>(one_in(50) ? 4'000 + below(2) : below(3), "t")});
          break;
        default:
          klaviyo::PropertyObject object = {{"End", true}};
          for (std::size_t level = one_in(10) ? 8 + below(2) : below(3); level > 0; --level) {
            object = {{"Below", object}};
          }
          all.push_back({name, object});
      }
    }
    return all;
  }
  std::vector<klaviyo::OrderItem> items() {
    std::vector<klaviyo::OrderItem> items(one_in(500) ? 4'000 + below(2) : below(5));
    for (auto& item : items) {
      item.product_id = "P" + std::to_string(below(9));
      item.name = items.size() > 100 ? "Tea" : text();
      item.quantity = one_in(60) ? number() : 1 + static_cast<std::int64_t>(below(5));
      item.unit_price = {number()};
      item.categories = {"Tea"};
    }
    return items;
  }

 private:
  std::mt19937_64 random_;
};

klaviyo::PurchaseEvents random_order(Dice& dice) {
  klaviyo::Order order;
  order.order_id = dice.id(255);
  order.currency = dice.currency();
  order.customer = dice.profile();
  order.items = dice.items();
  order.placed_at = dice.time();
  order.shipping = {dice.number()};
  order.properties = dice.properties();
  return klaviyo::order_placed(std::move(order));
}

klaviyo::CartEvent random_cart(Dice& dice) {
  klaviyo::Cart cart;
  cart.cart_id = dice.id(200);
  cart.user_id = dice.id(255);
  cart.currency = dice.currency();
  cart.customer = dice.profile();
  cart.items = dice.items();
  cart.updated_at = dice.time();
  cart.properties = dice.properties();
  return klaviyo::cart_updated(std::move(cart));
}

klaviyo::SubscriptionEvent random_subscription(Dice& dice) {
  klaviyo::Subscription subscription;
  subscription.subscription_id = dice.id(225);
  subscription.plan_id = dice.id(255);
  subscription.plan_name = dice.text();
  subscription.price = {dice.number(), dice.currency()};
  subscription.customer = dice.profile();
  subscription.started_at = dice.time();
  subscription.properties = dice.properties();
  return klaviyo::subscription_started(std::move(subscription));
}

class RandomEvents : public ::testing::TestWithParam<unsigned> {
 protected:
  template <class Event>
  void offer(const Event& event) {
    postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
    event.encode(batch);
    if (!batch.violations().empty()) {
      ++rejected;
      EXPECT_TRUE(batch.records().empty());
      for (const auto& violation : batch.violations()) {
        EXPECT_NE(violation.path, "") << violation.rule;
        EXPECT_NE(violation.rule, "");
      }
      return;
    }
    EXPECT_EQ(batch.records().size(), event.size());
    for (const postbox::EventRecord& record : batch.records()) deliver(record);
  }

  void deliver(const postbox::EventRecord& record) {
    const postbox::EventRecord* one[] = {&record};
    const std::string body = destination.request(0, one).body;
    const auto answer = simulator.handle(sim::request_for("POST", "/api/events", body));
    ASSERT_EQ(answer.status, 202) << answer.body << body.substr(0, 3'000);
    ++delivered;
    const Json attributes = Json::parse(body)["data"]["attributes"];
    Json expected = attributes["properties"];
    expected["$event_id"] = attributes["unique_id"];
    if (attributes.contains("value")) expected["$value"] = attributes["value"];
    if (attributes.contains("value")) expected["$currency_code"] = attributes["value_currency"];
    // Klaviyo reads a zero as never set.
    for (auto it = expected.begin(); it != expected.end();) {
      const bool unset = it->is_number() && it->get<double>() == 0 && it.key()[0] != '$';
      it = unset ? expected.erase(it) : std::next(it);
    }
    sent.push_back(std::move(expected));
  }

  // What was recorded, each as it was sent.
  void expect_recorded() {
    auto request = sim::request_for("GET", "/api/events");
    request.query = {{"page[size]", "1000"}};
    const Json page = Json::parse(simulator.handle(request).body);
    std::multiset<std::string> expected;
    std::multiset<std::string> recorded;
    for (const Json& event : sent) expected.insert(event.dump());
    for (const Json& event : page["data"]) {
      recorded.insert(event["attributes"]["event_properties"].dump());
    }
    EXPECT_EQ(recorded, expected);
    sent.clear();
    simulator.reset();
  }

  klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-07-15"}};
  sim::Simulator simulator{
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}}};
  std::vector<Json> sent;
  std::size_t delivered = 0;
  std::size_t rejected = 0;
};

TEST_P(RandomEvents, AreRecordedUnchangedOrRejectedWithAPath) {
  Dice dice(GetParam());
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 15; ++i) {
      offer(random_order(dice));
      offer(random_cart(dice));
      offer(random_subscription(dice));
      if (sent.size() > 400) expect_recorded();
    }
    expect_recorded();
  }
  // Both happen, or the dice are loaded.
  EXPECT_GT(delivered, 300U);
  EXPECT_GT(rejected, 100U);
}

// A profile is not an event: Klaviyo has it under its own endpoint, with the newest of each value.
TEST(IdentifiedProfile, IsReadBackWithItsNewestValues) {
  const klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-07-15"}};
  sim::Simulator simulator{
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}}};
  const auto identify = [&](const char* first_name, const char* tier) {
    klaviyo::Profile profile;
    profile.email = " Anna@GoldenAcre.example ";
    profile.external_id = "user-7";
    profile.first_name = first_name;
    profile.properties = {{"Tier", tier}};
    postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
    klaviyo::identify(profile).encode(batch);
    ASSERT_EQ(batch.records().size(), 1U);
    const postbox::EventRecord* one[] = {&batch.records().front()};
    const auto lane = destination.route(one[0]->queue).single;
    const auto request = destination.request(lane, one);
    ASSERT_TRUE(request.url.ends_with("/api/profile-import")) << request.url;
    const auto answer =
        simulator.handle(sim::request_for("POST", "/api/profile-import", request.body));
    ASSERT_EQ(answer.status / 100, 2) << answer.body;
  };
  identify("Anna", "silver");
  identify("Anne", "gold");
  const Json page = Json::parse(simulator.handle(sim::request_for("GET", "/api/profiles")).body);
  ASSERT_EQ(page["data"].size(), 1U);
  const Json& attributes = page["data"][0]["attributes"];
  EXPECT_EQ(attributes["email"], "anna@goldenacre.example");
  EXPECT_EQ(attributes["external_id"], "user-7");
  EXPECT_EQ(attributes["first_name"], "Anne");
  EXPECT_EQ(attributes["properties"]["Tier"], "gold");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomEvents, ::testing::Range(1U, 6U));

}  // namespace

#include <gmock/gmock.h>

#include <klaviyo_json/json_paths.hpp>
#include <postbox/event.hpp>
#include <string>
#include <vector>

namespace klaviyo {
namespace {

using postbox::Violation;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> paths_of(const std::vector<Violation>& violations) {
  std::vector<std::string> list;
  for (const auto& violation : violations) list.push_back(violation.path);
  return list;
}

std::vector<Violation> at(const std::vector<std::string>& paths) {
  std::vector<Violation> list;
  for (const auto& path : paths) list.push_back({path, "is wrong"});
  return list;
}

// The violations of an event at a fixed time.
template <class E>
std::vector<Violation> check(const E& event) {
  postbox::EventBatch batch{postbox::WallTime(std::chrono::seconds(1'800'000'000))};
  event.encode(batch);
  return batch.violations();
}

TEST(InJson, NamesWhatTheJsonHas) {
  Order order;
  order.properties = {{"gift", true}, {"a@b", false}};
  order.customer.properties = {{"tier", 1}};
  EXPECT_THAT(paths_of(in_json(order, at({"properties[0].name", "properties[1].name",
                                          "properties[2].name", "items[2].quantity", "properties",
                                          "customer.properties[0].value", "price"}))),
              ElementsAre("properties.gift", "properties[1]", "properties[2].name",
                          "items[2].quantity", "properties", "customer.properties.tier", "price"));
}

TEST(InJson, ThePriceOfASubscriptionWasItsAmount) {
  EXPECT_THAT(paths_of(in_json(Subscription{}, at({"price", "price.currency", "plan_id"}))),
              ElementsAre("amount", "currency", "plan_id"));
}

TEST(InJson, OneCurrencyIsOneMistake) {
  const auto view = parse_json<ProductView>(R"({"product_id": "P", "name": "N", "price": 12,
    "compare_at_price": 15, "customer": {"kx": "k"}})");
  ASSERT_TRUE(view);
  EXPECT_THAT(paths_of(in_json(*view, check(product_viewed(*view)))), ElementsAre("currency"));
}

TEST(InJson, AValueNeedsTheCurrencyAtTheTop) {
  const auto event = parse_json<CustomEvent>(R"({"value": 5, "customer": {"kx": "k"}})");
  ASSERT_TRUE(event);
  EXPECT_THAT(paths_of(in_json(*event, check(custom_event(*event)))),
              ElementsAre("currency", "name"));
}

TEST(InJson, AProfilesPropertiesStandAtItsTop) {
  const auto profile = parse_json<Profile>(R"({"external_id": "u", "properties": {"$tier": 1}})");
  ASSERT_TRUE(profile);
  EXPECT_THAT(paths_of(in_json(*profile, check(identify(*profile)))), ElementsAre("properties[0]"));
}

TEST(Merged, LeavesOutWhatFollowsFromAnUnreadableValue) {
  EXPECT_THAT(paths_of(merged(at({"items[1]", "order_id"}),
                              at({"order_id", "items[1].name", "items[10].name", "order_id_of"}))),
              ElementsAre("items[1]", "order_id", "items[10].name", "order_id_of"));
  EXPECT_THAT(merged({}, {}), IsEmpty());
}

TEST(Merged, SaysEachMistakeOfAnOrderOnce) {
  const auto order = parse_json<Order>(R"({"order_id": 7, "currency": "EURO",
    "items": [{"product_id": "P", "name": "N", "quantity": 0, "unit_price": 12.5}]})");
  EXPECT_THAT(paths_of(merged(order.violations, in_json(*order, check(order_placed(*order))))),
              testing::UnorderedElementsAre("order_id", "items[0].unit_price", "currency",
                                            "customer", "items[0].quantity"));
}

}  // namespace
}  // namespace klaviyo

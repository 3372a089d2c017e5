// What Klaviyo would ignore without a word is said to the caller, with the path of his own field,
// and what it keeps is not.
#include <gmock/gmock.h>
#include <postbox/event.hpp>
#include <postbox/services.hpp>

#include "support/klaviyo_test_data.hpp"

inline constexpr postbox::Family kGames = klaviyo::own_family<9, "games">;

struct GamePlayed : klaviyo::EventBasics {
  static constexpr std::string_view kMetric = "Game Played";
  static constexpr const postbox::Family& kFamily = kGames;
  std::int64_t score = 0;
  klaviyo::Money prize{0, "EUR"};
  bool won = false;
  std::string rival;
  std::optional<std::int64_t> level;
  std::optional<klaviyo::Money> stake;
  std::optional<std::string> title;
};

template <>
struct postbox::Schema<GamePlayed> {
  using G = GamePlayed;
  static constexpr auto fields =
      std::make_tuple(field("Score", "score", &G::score), field("Prize", "prize", &G::prize),
                      field("Won", "won", &G::won), field("Rival", "rival", &G::rival),
                      field("Level", "level", &G::level), field("Stake", "stake", &G::stake),
                      field("Title", "title", &G::title));
};

namespace {

using klaviyo::Property;
using klaviyo::PropertyObject;
using klaviyo_test::cart;
using klaviyo_test::customer;
using klaviyo_test::order;
using klaviyo_test::payment;
using klaviyo_test::subscription;
using postbox::Violation;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kZero = "is zero, which Klaviyo reads as never set";
constexpr const char* kEmpty = "is empty and not sent: Klaviyo reads it as never set";
constexpr const char* kKept = "is empty and not sent: the profile keeps the value that it has";

template <class Event>
std::vector<Violation> warnings_of(const Event& event) {
  postbox::EventBatch batch(klaviyo_test::now());
  event.encode(batch);
  EXPECT_THAT(batch.violations(), IsEmpty());
  return batch.warnings();
}

TEST(Warnings, AnEventThatKlaviyoKeepsWholeHasNone) {
  using namespace klaviyo;
  EXPECT_THAT(warnings_of(order_placed(order())), IsEmpty());
  EXPECT_THAT(warnings_of(order_fulfilled(order())), IsEmpty());
  EXPECT_THAT(warnings_of(order_refunded(order())), IsEmpty());
  EXPECT_THAT(warnings_of(cart_updated(cart())), IsEmpty());
  EXPECT_THAT(warnings_of(added_to_cart(cart(), klaviyo_test::item("P2", 1, 5))), IsEmpty());
  EXPECT_THAT(warnings_of(checkout_abandoned(cart())), IsEmpty());
  EXPECT_THAT(warnings_of(subscription_started(subscription())), IsEmpty());
  EXPECT_THAT(warnings_of(subscription_renewed(subscription())), IsEmpty());
  EXPECT_THAT(warnings_of(subscription_trial_started(subscription())), IsEmpty());
  EXPECT_THAT(warnings_of(payment_failed(payment())), IsEmpty());
  EXPECT_THAT(warnings_of(identify(customer())), IsEmpty());
}

TEST(Warnings, ACustomerWhoIsKnownByAPhoneNumberAloneIsOne) {
  auto by_phone = order();
  by_phone.customer.email = by_phone.customer.external_id = "";
  const auto is_phone = ElementsAre(testing::Field(&Violation::path, "customer.phone"));
  EXPECT_THAT(warnings_of(klaviyo::order_placed(by_phone)), is_phone);
  EXPECT_THAT(warnings_of(klaviyo::custom_event("Quote", by_phone.customer)), is_phone);
  EXPECT_THAT(warnings_of(klaviyo::identify(by_phone.customer)), IsEmpty());
  by_phone.customer.external_id = "u-1";
  EXPECT_THAT(warnings_of(klaviyo::order_placed(by_phone)), IsEmpty());
}

// Neither is a property, and both are what most orders have.
TEST(Warnings, AnOrderWithoutDiscountShippingAndTaxHasNone) {
  auto plain = order();
  plain.discount = {};
  plain.shipping = plain.tax = {};
  EXPECT_THAT(warnings_of(klaviyo::order_placed(plain)), IsEmpty());
}

// A price inside Items is no property that Klaviyo could read as never set.
TEST(Warnings, AFreeLineHasNone) {
  auto gift = order();
  gift.items[1].unit_price = {};
  EXPECT_THAT(warnings_of(klaviyo::order_placed(gift)), IsEmpty());
}

TEST(Warnings, OwnPropertiesAreReportedAtEveryDepth) {
  const PropertyObject line = {{"note", ""}, {"count", std::int64_t{0}}, {"kept", "x"}};
  auto vain = order();
  vain.properties = {{"Zero", std::int64_t{0}},
                     {"Text", ""},
                     {"None", PropertyObject{}},
                     {"Object", line},
                     {"Lines", std::vector<PropertyObject>{{{"kept", true}}, line}},
                     {"Ratio", klaviyo::Decimal{.digits = 2}}};
  const auto expected = ElementsAre(
      Violation{"properties[0].value", kZero}, Violation{"properties[5].value", kZero},
      Violation{"properties[1].value", kEmpty}, Violation{"properties[2].value", kEmpty},
      Violation{"properties[3].value[0].value", kEmpty},
      Violation{"properties[4].value[1][0].value", kEmpty});
  EXPECT_THAT(warnings_of(klaviyo::order_placed(vain)), expected);
  EXPECT_THAT(warnings_of(klaviyo::order_cancelled(vain)), expected);
  EXPECT_THAT(warnings_of(klaviyo::custom_event("Quote", customer(), vain.properties)), expected);
}

TEST(Warnings, PropertiesOfAProfileAreReportedWithEveryEventAndAlone) {
  klaviyo::Profile profile = customer();
  profile.properties = {
      {"Tier", ""}, {"Points", std::int64_t{0}}, {"Size", PropertyObject{{"a", ""}}}};
  EXPECT_THAT(warnings_of(klaviyo::identify(profile)),
              ElementsAre(Violation{"properties[0].value", kKept},
                          Violation{"properties[2].value[0].value", kKept}));
  const auto expected = ElementsAre(Violation{"customer.properties[0].value", kKept},
                                    Violation{"customer.properties[2].value[0].value", kKept});
  auto of_order = order();
  auto of_cart = cart();
  auto of_subscription = subscription();
  auto of_payment = payment();
  of_order.customer = of_cart.customer = of_subscription.customer = of_payment.customer = profile;
  EXPECT_THAT(warnings_of(klaviyo::order_placed(of_order)), expected);
  EXPECT_THAT(warnings_of(klaviyo::order_refunded(of_order)), expected);
  EXPECT_THAT(warnings_of(klaviyo::cart_updated(of_cart)), expected);
  EXPECT_THAT(warnings_of(klaviyo::subscription_ended(of_subscription)), expected);
  EXPECT_THAT(warnings_of(klaviyo::payment_failed(of_payment)), expected);
  EXPECT_THAT(warnings_of(klaviyo::custom_event("Quote", profile)), expected);
}

TEST(Warnings, TypedFieldsAreReportedUnlessNobodySetThem) {
  GamePlayed game;
  game.customer = customer();
  EXPECT_THAT(warnings_of(klaviyo::event(game)),
              ElementsAre(Violation{"score", kZero}, Violation{"prize", kZero}));
  game.score = 1;
  game.prize.minor = 1;
  EXPECT_THAT(warnings_of(klaviyo::event(game)), IsEmpty());
  game.level = 0;
  game.stake = klaviyo::Money{0, "EUR"};
  game.title = "";
  EXPECT_THAT(warnings_of(klaviyo::event(game)),
              ElementsAre(Violation{"level", kZero}, Violation{"stake", kZero},
                          Violation{"title", kEmpty}));
}

TEST(Warnings, AnAmountOfZeroIsReported) {
  auto free = subscription();
  free.price.minor = 0;
  EXPECT_THAT(warnings_of(klaviyo::subscription_started(free)),
              ElementsAre(Violation{"price", kZero}));
  EXPECT_THAT(
      warnings_of(klaviyo::subscription_renewed(
          subscription(), {.amount = klaviyo::MinorUnits{0}, .total = klaviyo::MinorUnits{0}})),
      ElementsAre(Violation{"renewal.amount", kZero}, Violation{"renewal.total", kZero}));
  auto owed = payment();
  owed.amount.minor = 0;
  EXPECT_THAT(warnings_of(klaviyo::payment_failed(owed)), ElementsAre(Violation{"amount", kZero}));
  EXPECT_THAT(warnings_of(klaviyo::added_to_cart(cart(), klaviyo_test::item("P2", 1, 0))),
              ElementsAre(Violation{"added.unit_price", kZero}));
}

TEST(Warnings, AnAddressWithNothingInItIsReported) {
  auto billed = order();
  billed.billing_address.emplace();
  EXPECT_THAT(warnings_of(klaviyo::order_placed(billed)),
              ElementsAre(Violation{"billing_address", kEmpty}));
}

TEST(Warnings, CategoriesBeyondTheFlatListAreReported) {
  auto wide = order();
  auto wide_cart = cart();
  wide.items[0].categories.clear();
  for (int i = 0; i < 3'999; ++i) wide.items[0].categories.push_back("c" + std::to_string(i));
  wide_cart.items = {wide.items[0]};
  // With "Tea", of the other line, exactly as many as fit; one that is there already changes
  // nothing.
  wide.items.push_back(klaviyo_test::item("P3", 1, 1));
  EXPECT_THAT(warnings_of(klaviyo::order_placed(wide)), IsEmpty());
  wide.items[2].categories = {"one more"};
  const auto expected = ElementsAre(Violation{
      "items",
      "have more than 4000 different categories: the property Categories has the first 4000 of "
      "them"});
  EXPECT_THAT(warnings_of(klaviyo::order_placed(wide)), expected);
  EXPECT_THAT(warnings_of(klaviyo::order_cancelled(wide)), expected);
  wide_cart.items.push_back(wide.items[2]);
  EXPECT_THAT(warnings_of(klaviyo::cart_updated(wide_cart)), IsEmpty());
  wide_cart.items.back().categories.push_back("and one more");
  EXPECT_THAT(warnings_of(klaviyo::cart_updated(wide_cart)), expected);
}

// Of a cart whose id looks like an address no link is made: see AbandonedCarts.
class CartWarnings : public ::testing::Test {
 protected:
  std::vector<Violation> warnings(const std::string& cart_id) {
    config.api_key = "pk_0123456789abcdef";
    config.engine.outbox.url = "memory:";
    config.engine.log = [](postbox::LogLevel, std::string_view) {};
    config.set(klaviyo::kCart, postbox::Flag::on());
    auto tracker = klaviyo::start(config, {.threads = false});
    if (!tracker) return {{"tracker", tracker.error().message}};
    auto named = cart();
    named.cart_id = cart_id;
    named.updated_at.reset();
    const auto result = tracker->track(klaviyo::cart_updated(named));
    EXPECT_EQ(result.status(), postbox::TrackStatus::kAccepted);
    return result.warnings();
  }

  klaviyo::Config config;
};

TEST_F(CartWarnings, AnIdThatFitsNoLinkIsReportedWhereLinksAreMade) {
  EXPECT_THAT(warnings("cart-of-anna@goldenacre.example"), IsEmpty()) << "no cart has a link";
  config.app_url = "https://shop.goldenacre.example";
  config.recovery_secrets = {"a secret of the shop's own"};
  EXPECT_THAT(warnings("c-7"), IsEmpty());
  const auto found = warnings("cart-of-anna@goldenacre.example");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].path, "cart_id");
  EXPECT_THAT(found[0].rule, HasSubstr("without a recovery link"));
  EXPECT_THAT(found[0].rule, testing::Not(HasSubstr("anna")));
}

}  // namespace

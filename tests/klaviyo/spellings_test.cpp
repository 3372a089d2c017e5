// What people type into a checkout, thrown at every builder: as long as one identifier can be used
// and the money is money, nothing is rejected, klaviyo-sim takes it, and what was left out is
// warned of. The seed is in every test's name.
#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "simulator.hpp"
#include "support/klaviyo_sim_requests.hpp"
#include "support/klaviyo_test_data.hpp"
#include "support/rounds.hpp"

namespace {

using klaviyo::Profile;
using postbox::tests::rounds;
using testing::IsEmpty;

using Texts = std::vector<std::string>;

const Texts kEmails = {"buyer@goldenacre.example",       " Buyer@GoldenAcre.Example\u00a0",
                       "Kunde@M\u00dcLLER.example",      "\u200fbuyer@goldenacre.example\ufeff",
                       "Ines <ines@goldenacre.example>", "mailto:o'brien@goldenacre.example",
                       "tea+shop@goldenacre.example.",   "buyer\uff20goldenacre\u3002example",
                       "j\u00fcrgen@goldenacre.example"};
const Texts kNoEmails = {"",
                         "n/a",
                         "a..b@docomo.ne.jp",
                         "qa@test.com",
                         "moi.@goldenacre.example",
                         "@",
                         "buyer@",
                         "user@domain.c",
                         "buyer at goldenacre.example",
                         "\xed\xa0\xbc@x.example",
                         "x@example.com",
                         "\u3000"};
const Texts kPhones = {
    "+491701234567",       "+49 (0)170 / 123 45 67",          "0049-170-1234567",
    "tel:+1-415-555-0132", "\uff0b\uff18\uff11 90 1234 5678", "+44\u00a020\u20137946\u20130958"};
const Texts kNoPhones = {
    "",        "0170 1234567", "(415) 555-0132", "n/a",
    "-",       "12",           "+0170",          "+49 170 1234567 / +49 170 7654321",
    "\xff\xff"};
const Texts kIds = {"u-1", " 4711\n", "gid://shop/Customer/1", "\u00fcser \U0001f375"};
const Texts kNames = {"Anna",
                      "",
                      "O'Brien",
                      "\u674e",
                      "Jos\xe9",
                      "Tea \xed\xa0\xbc",
                      "\x01\x1b[31m",
                      "\u202eevil",
                      "<b>&amp;</b>",
                      "\"q\\",
                      std::string(120'000, 'x'),
                      std::string("nul\0here", 8)};
const Texts kCurrencies = {"EUR", "eur", " usd ", "JPY", "kwd\u00a0",
                           "HRK", "LTL", "EEK",   "DEM", "CLF"};
const std::vector<std::int64_t> kPrices = {0, 1, 99, 1'999, 100'000, 9'007'199'254'740'993};

class Spellings : public testing::TestWithParam<unsigned> {
 protected:
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[random() % all.size()];
  }
  bool coin() { return random() % 2 == 0; }

  // With one identifier at least that can be used.
  Profile customer() {
    const auto usable = 1 + random() % 7;
    Profile profile;
    profile.email = one_of((usable & 1U) != 0 ? kEmails : kNoEmails);
    profile.phone = one_of((usable & 2U) != 0 ? kPhones : kNoPhones);
    if ((usable & 4U) != 0) profile.external_id = one_of(kIds);
    if ((usable & 4U) == 0 && coin()) profile.external_id = std::string(300, 'i');
    profile.first_name = name();
    profile.last_name = name();
    profile.properties = {{"Nickname", name()}};
    return profile;
  }
  // A profile has room for one long text only.
  std::string name() { return one_of(kNames).substr(0, 20'000); }
  std::string text() { return one_of(kNames); }

  std::vector<klaviyo::OrderItem> items() {
    std::vector<klaviyo::OrderItem> items(1 + random() % 3);
    for (auto& item : items) {
      item.product_id = "P" + std::to_string(random() % 100);
      item.name = "n" + text();
      item.sku = text();
      item.brand = text();
      item.categories = {text(), text()};
      item.unit_price = {one_of(kPrices)};
    }
    return items;
  }
  klaviyo::Currency currency() { return std::string_view(one_of(kCurrencies)); }

  klaviyo::Order order() {
    klaviyo::Order order;
    order.order_id = "o-" + std::to_string(random());
    order.customer = customer();
    order.currency = currency();
    order.items = items();
    order.discount.code = text();
    if (coin()) {
      order.shipping_address =
          klaviyo::Address{.city = text(), .country_code = coin() ? "de" : "??"};
    }
    order.properties = {{"note", text()}, {"gift", std::vector<std::string>{text(), text()}}};
    return order;
  }
  klaviyo::Cart cart() {
    klaviyo::Cart cart;
    cart.cart_id = "c-" + std::to_string(random());
    cart.user_id = one_of(kIds);
    cart.customer = customer();
    cart.currency = currency();
    cart.items = items();
    return cart;
  }
  klaviyo::Subscription subscription() {
    klaviyo::Subscription subscription;
    subscription.subscription_id = "s-" + std::to_string(random());
    subscription.plan_id = "gold";
    subscription.plan_name = text();
    subscription.price = {one_of(kPrices), currency()};
    subscription.customer = customer();
    return subscription;
  }

  template <class Event>
  void expect_accepted(const Event& event) {
    postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
    event.encode(batch);
    ASSERT_THAT(batch.violations(), IsEmpty())
        << batch.violations()[0].path << ": " << batch.violations()[0].rule;
    ASSERT_FALSE(batch.records().empty());
    simulator.reset();  // the identifiers of one are another's in the next event
    for (const postbox::EventRecord& record : batch.records()) {
      const postbox::EventRecord* one[] = {&record};
      const auto request = destination.request(destination.route(record.queue).single, one);
      const std::string path = request.url.substr(request.url.find("/api/"));
      const auto answer = simulator.handle(sim::request_for("POST", path.c_str(), request.body));
      ASSERT_EQ(answer.status / 100, 2) << answer.body.substr(0, 1'000);
    }
    for (const auto& [place, rule] : batch.warnings()) {
      for (const char* value : {"0170", "docomo", "goldenacre"}) {
        EXPECT_EQ(rule.find(value), std::string::npos) << rule;
      }
    }
  }

  std::mt19937 random{GetParam()};
  klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-07-15"}};
  sim::Simulator simulator{
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}}};
};

TEST_P(Spellings, WithOneUsableIdentifierNothingIsRejected) {
  for (int round = 0; round < rounds(10) && !HasFatalFailure(); ++round) {
    expect_accepted(klaviyo::order_placed(order()));
    expect_accepted(klaviyo::order_fulfilled(order()));
    expect_accepted(klaviyo::order_cancelled(order(), {.reason = text()}));
    auto refunded = order();
    refunded.total = klaviyo::MinorUnits{1 + one_of(kPrices)};
    expect_accepted(klaviyo::order_refunded(refunded, {.reason = text()}));
    expect_accepted(klaviyo::cart_updated(cart()));
    expect_accepted(klaviyo::added_to_cart(cart(), items()[0]));
    expect_accepted(klaviyo::checkout_started(cart()));
    expect_accepted(klaviyo::checkout_abandoned(cart()));
    expect_accepted(klaviyo::subscription_started(subscription()));
    expect_accepted(klaviyo::subscription_cancelled(subscription(), {.reason = text()}));
    expect_accepted(klaviyo::payment_failed({.payment_id = "in_1",
                                             .amount = {one_of(kPrices), currency()},
                                             .failure_reason = text(),
                                             .customer = customer()}));
    expect_accepted(klaviyo::custom_event("Quiz Finished", customer(), {{"Answer", text()}}));
    expect_accepted(klaviyo::identify(customer()));
    expect_accepted(klaviyo::backfill(klaviyo::order_placed(order())));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Spellings, testing::Range(1U, 9U));

}  // namespace

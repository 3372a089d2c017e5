// What people paste and cut: the spellings of one address (F06 of the shared folder, and ours) are
// one profile at Klaviyo, and half an emoji (F15) costs neither an order nor a webhook.
#include "support/field_shop.hpp"
#include "support/stripe_events.hpp"

namespace postbox::tests {
namespace {

constexpr const char* kBuyer = "buyer1@goldenacre.example";

class WhatPeopleType : public FieldShop {
 protected:
  void SetUp() override {
    FieldShop::SetUp();
    ASSERT_TRUE(serve()) << log();
  }

  // An order of somebody who is known by that address alone; null: it is refused.
  Json buy_as(const std::string& email) {
    Json body = order(std::to_string(++orders_));
    body["customer"] = {{"email", email}};
    const auto [status, answer] = buy(body.dump());
    if (status == 400) {
      EXPECT_EQ(answer["errors"][0]["path"], "customer.email") << answer;
      return nullptr;
    }
    EXPECT_EQ(status, 201) << answer;
    return answer;
  }

  // `json` with the text HERE replaced by `escaped`, as it stands between quotes.
  static std::string with_escape(const Json& json, const std::string& escaped) {
    std::string text = json.dump();
    for (auto at = text.find("HERE"); at != std::string::npos; at = text.find("HERE")) {
      text.replace(at, 4, escaped);
    }
    return text;
  }

  // An order and a webhook with that text, where it is read and where nothing reads it.
  void expect_kept(const std::string& escaped, bool is_half) {
    klaviyo.simulator().reset();
    ++orders_;
    Json body = order("HERE");
    body["order_id"] = std::to_string(orders_);
    body["items"][0]["name"] = "HERE";
    body["unread"] = {{"HERE", {"HERE"}}};
    body["customer"]["email"] = kBuyer;
    const auto [status, answer] = buy(with_escape(body, escaped));
    EXPECT_EQ(status, 201) << answer;
    EXPECT_EQ(answer.contains("warnings"), is_half) << answer;

    Json paid = stripe_session();
    paid.update({{"id", "cs_" + std::to_string(orders_)},
                 {"payment_intent", "pi_" + std::to_string(orders_)},
                 {"metadata", {{"note", "HERE"}}}});
    paid["customer_details"]["name"] = "HERE";
    Json event = stripe_event("checkout.session.completed", paid);
    event["id"] = "evt_" + std::to_string(orders_);
    EXPECT_EQ(deliver(with_escape(event, escaped)), 200);

    std::multiset<std::string> placed;
    for (const Json& recorded : events()) {
      if (recorded["metric"] != "Placed Order") continue;
      placed.insert(recorded["email"]);
      const bool is_mended = recorded.dump().find("\ufffd") != std::string::npos;
      if (recorded["email"] == kBuyer) {
        EXPECT_EQ(is_mended, is_half) << recorded;
      }
    }
    EXPECT_EQ(placed, (std::multiset<std::string>{kBuyer, kStripeEmail}));
  }

 private:
  int orders_ = 0;
};

TEST_F(WhatPeopleType, F06EverySpellingIsOneProfile) {
  const Json spellings = field_case("F06.json");
  if (spellings.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, spelling] : spellings.items()) {
    const bool is_none =
        name.starts_with("trailing dot of local") || name.starts_with("single-letter TLD");
    EXPECT_EQ(buy_as(spelling).is_null(), is_none) << name;
  }
  EXPECT_EQ(events().size(), 2 * (spellings.size() - 2));
  EXPECT_EQ(addresses(), (std::multiset<std::string>{kBuyer, "buyer1+tea@goldenacre.example",
                                                     "o'brien@goldenacre.example",
                                                     "i\u0307nes@goldenacre.example"}));
}

TEST_F(WhatPeopleType, PastedAddressesAreOneProfile) {
  for (const char* spelling :
       {kBuyer, "\u200ebuyer1@goldenacre.example\u202c", "buyer1@goldenacre.example\u3000",
        "buyer1@golden\u2060acre.example", "BUYER1\uff20GOLDENACRE\uff0eEXAMPLE",
        "mailto:Buyer1@goldenacre.example", "\"A. Buyer\" <buyer1@goldenacre.example>\n",
        "buyer1@goldenacre.example.,"}) {
    EXPECT_FALSE(buy_as(spelling).is_null()) << spelling;
  }
  EXPECT_TRUE(buy_as("buyer1").is_null());
  EXPECT_EQ(events().size(), 16U);
  EXPECT_EQ(addresses(), std::multiset<std::string>{kBuyer});
}

TEST_F(WhatPeopleType, F15HalfAnEmojiKeepsTheOrderAndTheWebhook) {
  const Json cases = field_case("F15.json");
  if (cases.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, escaped] : cases.items()) {
    SCOPED_TRACE(name);
    expect_kept(escaped, name.starts_with("truncated") || name.starts_with("low half") ||
                             name.starts_with("halves"));
  }
}

TEST_F(WhatPeopleType, HalfACharacterKeepsTheOrderAndTheWebhook) {
  expect_kept("Grüner Tee \\ud83c\\udf75", false);
  expect_kept("\\uD83D", true);
  expect_kept("\\\\ud83d", false);  // six letters
  expect_kept("a\\udc00b\\ud83d\\ud83d\\ude00", true);
  Json body = order("cut");
  body["items"][0]["name"] = "HERE";
  const auto [status, answer] = buy(with_escape(body, "Tea \xf0\x9f\x8d"));
  EXPECT_EQ(status, 201) << answer;
  EXPECT_EQ(answer["warnings"][0]["path"], "body") << answer;
}

}  // namespace
}  // namespace postbox::tests

// What the example server answers to a body.
#include <gmock/gmock.h>

#include "support/served_checkout.hpp"

namespace checkout {
namespace {

using nlohmann::json;
using testing::UnorderedElementsAre;

class Answers : public ServedCheckout {
 protected:
  void SetUp() override {
    klaviyo::Config config;
    config.api_key = "pk_0123456789abcdef";
    config.set(klaviyo::kCart, postbox::Flag::on());
    config.set(klaviyo::kPurchase, postbox::Flag::on());
    serve(config, {});
  }

  [[nodiscard]] std::vector<std::string> refused(const std::string& body) {
    const auto [status, answer] =
        read(client->Post("/checkout/complete", body, "application/json"));
    EXPECT_EQ(status, 400);
    std::vector<std::string> paths;
    for (const auto& error : answer.value("errors", json::array())) paths.push_back(error["path"]);
    return paths;
  }
};

TEST_F(Answers, TheUserIsTheCustomerOfACartThatNamesNobody) {
  const auto put = [&](const json& cart) {
    return read(client->Put("/cart/u-7", cart.dump(), "application/json"));
  };
  json cart = {{"cart_id", "c-7"}, {"currency", "EUR"}, {"items", json::array()}};
  EXPECT_EQ(put(cart).first, 202);
  cart["customer"] = {{"email", "no address"}};
  EXPECT_EQ(put(cart).first, 400) << "who is named is the customer, not the user";
}

TEST_F(Answers, EverythingThatIsWrongWithABodyOnce) {
  EXPECT_THAT(refused(R"({"order_id": 7, "currency": "EUR", "customer": {"email": ["a"]},
    "items": [{"product_id": "P", "quantity": 0, "unit_price": 12.5}]})"),
              UnorderedElementsAre("order_id", "customer.email", "items[0].unit_price",
                                   "items[0].name", "items[0].quantity", "customer"));
  EXPECT_THAT(refused("[]"), UnorderedElementsAre("body"));
}

}  // namespace
}  // namespace checkout

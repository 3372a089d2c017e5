// The example server tells its client what Klaviyo would ignore.
#include "support/served_checkout.hpp"

namespace checkout {
namespace {

using nlohmann::json;

class Warnings : public ServedCheckout {
 protected:
  void SetUp() override {
    klaviyo::Config config;
    config.api_key = "pk_0123456789abcdef";
    config.set(klaviyo::kCart, postbox::Flag::on());
    serve(config, {});
  }

  [[nodiscard]] json put_cart(const json& properties) {
    json cart = {{"cart_id", "c-7"}, {"currency", "EUR"}, {"items", json::array()}};
    cart["properties"] = properties;
    const auto [status, body] = read(client->Put("/cart/u-7", cart.dump(), "application/json"));
    EXPECT_EQ(status, 202);
    return body;
  }
};

TEST_F(Warnings, HaveThePathsOfTheBody) {
  EXPECT_EQ(put_cart({{"gift", true}}), json::parse(R"({"cart_id": "c-7", "events": "accepted"})"));
  EXPECT_EQ(put_cart({{"gift", true}, {"points", 0}}), json::parse(R"({"cart_id": "c-7",
    "events": "accepted", "warnings": [{"path": "properties.points",
    "rule": "is zero, which Klaviyo reads as never set"}]})"));
}

}  // namespace
}  // namespace checkout

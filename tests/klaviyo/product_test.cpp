#include <gtest/gtest.h>

#include <klaviyo/events/product.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

klaviyo::ProductView view() {
  klaviyo::ProductView view;
  view.customer = {.kx = "x1.SiMu1A"};
  view.product_id = "P1";
  view.name = "Assam";
  view.categories = {"Tea", "Black"};
  view.url = "https://shop.goldenacre.example/p/1";
  view.price = klaviyo::Money{1'250, "EUR"};
  return view;
}

TEST(ViewedProduct, HasTheNamesOfKlaviyosGuide) {
  const auto records = klaviyo_test::records_of(klaviyo::product_viewed(view()));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].queue, klaviyo::kCart.queue);
  const auto attributes = klaviyo_test::attributes_of(records[0]);
  EXPECT_EQ(attributes["metric"]["data"]["attributes"]["name"], "Viewed Product");
  EXPECT_EQ(attributes["properties"],
            klaviyo_test::parse(R"({"ProductID": "P1", "ProductName": "Assam",
                "Categories": ["Tea", "Black"], "URL": "https://shop.goldenacre.example/p/1",
                "Price": 12.50, "Currency": "EUR"})"));
  EXPECT_EQ(attributes["profile"]["data"]["attributes"],
            klaviyo_test::parse(R"({"_kx": "x1.SiMu1A"})"));
  EXPECT_FALSE(attributes.contains("value"));
}

TEST(ViewedProduct, NeedsTheProductItsNameAndAPriceThatIsNotNegative) {
  auto bad = view();
  bad.product_id = bad.name = "";
  bad.price->minor = -1;
  bad.compare_at_price = klaviyo::Money{1'500, {}};
  const auto violations = klaviyo_test::violations_of(klaviyo::product_viewed(bad));
  EXPECT_EQ(klaviyo_test::rule_at(violations, "product_id"), "is required");
  EXPECT_EQ(klaviyo_test::rule_at(violations, "name"), "is required");
  EXPECT_NE(klaviyo_test::rule_at(violations, "price"), "");
  EXPECT_EQ(klaviyo_test::rule_at(violations, "compare_at_price.currency"), "is required");
}

}  // namespace

// ProductView is a product that somebody looks at; it becomes Viewed Product.
//
// Place:     made by the route of a product's page, handed to klaviyo::product_viewed().
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   every broken rule of the table and of EventBasics is a violation with its path.
#pragma once

#include <klaviyo/schemas/custom.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

// The names are those of Klaviyo's guide for shops without an integration. It belongs to the carts'
// family: what leads to one. `value` is left empty: nobody has paid.
struct ProductView : EventBasics {
  static constexpr std::string_view kMetric = "Viewed Product";
  static constexpr const postbox::Family& kFamily = kCart;

  std::string product_id{};  // required
  std::string name{};        // required
  std::string sku{};
  std::vector<std::string> categories{};
  std::string image_url{};
  std::string url{};
  std::string brand{};
  std::optional<Money> price{};
  std::optional<Money> compare_at_price{};  // what it cost before
};

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::ProductView> {
  using V = klaviyo::ProductView;
  static constexpr auto fields = std::make_tuple(
      field("ProductID", "product_id", &V::product_id, {.required = true},
            "The product's id in the catalogue."),
      field("ProductName", "name", &V::name, {.required = true}, "The product's name."),
      field("SKU", "sku", &V::sku, {}, "Stock code."),
      field("Categories", "categories", &V::categories, {}, "Categories of the product."),
      field("ImageURL", "image_url", &V::image_url, {}, "Address of the product's image."),
      field("URL", "url", &V::url, {}, "Address of the product's page."),
      field("Brand", "brand", &V::brand, {}, "Brand."),
      field("Price", "price", &V::price, {.minimum = 0}, "Price of one."),
      field("CompareAtPrice", "compare_at_price", &V::compare_at_price, {.minimum = 0},
            "What it cost before."));
};

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

// The currency of a price, which may not be missing where there is one.
struct CurrencyOfPrice {
  Currency currency;
  bool is_needed = false;
};

}  // namespace klaviyo

template <>
struct postbox::JsonValue<klaviyo::CurrencyOfPrice> {
  static constexpr std::string_view kType = "string";
  static bool is_empty(const klaviyo::CurrencyOfPrice& price) noexcept {
    return price.currency.code().empty();
  }
  static void write(const klaviyo::CurrencyOfPrice& price, std::string& out) {
    append_string(price.currency.code(), out);
  }
  static void validate(const klaviyo::CurrencyOfPrice& price, const Path& path, const Rules& rules,
                       std::vector<Violation>& violations) {
    Rules of_currency = rules;
    of_currency.required = price.is_needed;
    JsonValue<klaviyo::Currency>::validate(price.currency, path, of_currency, violations);
  }
};

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
            "What it cost before."),
      field(
          "Currency", "price.currency",
          [](const V& view) {
            return view.price ? klaviyo::CurrencyOfPrice{view.price->currency, true}
                              : klaviyo::CurrencyOfPrice{};
          },
          {}, "Of the price."),
      field(
          "CompareAtCurrency", "compare_at_price.currency",
          [](const V& view) {
            return view.compare_at_price
                       ? klaviyo::CurrencyOfPrice{view.compare_at_price->currency, true}
                       : klaviyo::CurrencyOfPrice{};
          },
          {}, "Of what it cost before."));
};

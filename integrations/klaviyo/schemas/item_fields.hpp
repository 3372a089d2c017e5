// The field tables of the lines of an order and of a cart.
//
// Place:     inside the integration: of the tables of orders and carts.
// Threads:   constants.
// Lifetime:  the views are valid as long as what they were made from.
// Failure:   see schema.hpp.
#pragma once

#include <klaviyo/schemas/item.hpp>
#include <klaviyo/schemas/money.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <string>
#include <tuple>
#include <vector>

namespace klaviyo {

// The flat lists that Klaviyo can segment by: each distinct value once, in order of first
// appearance, at most 4,000 of them. The views are valid as long as the items are.
struct FlatLists {
  std::vector<std::string_view> categories;
  bool categories_cut = false;  // there are more; names and brands have no more than lines
  std::vector<std::string_view> names;
  std::vector<std::string_view> brands;

  // Replace the contents by those of `items`.
  void assign(const std::vector<OrderItem>& items);
};

// Check what the field table cannot: that each row's total fits 64 bits and is not negative.
void validate_rows(const std::vector<OrderItem>& items, const postbox::Path& path,
                   std::vector<postbox::Violation>& violations);

// A guess at the length of `Items` and the flat lists as JSON.
[[nodiscard]] std::size_t json_size_hint(const std::vector<OrderItem>& items) noexcept;

// A line with the currency of its order: what is written into `Items`.
struct PricedItem {
  const OrderItem* item;
  Currency currency;
};

// The same of a cart, whose categories Klaviyo's guide calls otherwise.
struct PricedCartItem {
  const OrderItem* item;
  Currency currency;
};

// The lines of an order or cart as priced ones.
template <class Line>
class PricedLines {
 public:
  class Iterator {
   public:
    Iterator(const OrderItem* item, Currency currency) : item_(item), currency_(currency) {}
    Line operator*() const noexcept { return {item_, currency_}; }
    Iterator& operator++() noexcept {
      ++item_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.item_ == b.item_;
    }

   private:
    const OrderItem* item_;
    Currency currency_;
  };

  PricedLines(const std::vector<OrderItem>& items, Currency currency)
      : items_(&items), currency_(currency) {}

  [[nodiscard]] std::size_t size() const noexcept { return items_->size(); }
  [[nodiscard]] Iterator begin() const noexcept { return {items_->data(), currency_}; }
  [[nodiscard]] Iterator end() const noexcept { return {items_->data() + size(), currency_}; }

 private:
  const std::vector<OrderItem>* items_;
  Currency currency_;
};

using PricedItems = PricedLines<PricedItem>;
using PricedCartItems = PricedLines<PricedCartItem>;

}  // namespace klaviyo

namespace klaviyo::detail {

// The members before the categories of a line.
template <class Line>
inline constexpr auto kLineFields = std::make_tuple(
    postbox::field(
        "ProductID", "product_id", [](const Line& i) -> auto& { return i.item->product_id; },
        {.required = true}, "The product's id in the catalogue."),
    postbox::field(
        "SKU", "sku", [](const Line& i) -> auto& { return i.item->sku; }, {}, "Stock code."),
    postbox::field(
        "ProductName", "name", [](const Line& i) -> auto& { return i.item->name; },
        {.required = true}, "The product's name."),
    postbox::field(
        "Quantity", "quantity", [](const Line& i) { return i.item->quantity; }, {.minimum = 1},
        "How many."),
    postbox::field(
        "ItemPrice", "unit_price",
        [](const Line& i) -> std::optional<Money> {
          if (i.item->row_total && i.item->unit_price.count == 0) return std::nullopt;
          return Money{i.item->unit_price.count, i.currency};
        },
        {.minimum = 0}, "Price of one."),
    postbox::field(
        "RowTotal", "unit_price",
        // An overflow is a violation of its own (validate_rows), so nothing is written then.
        [](const Line& i) {
          const auto total = row_total(*i.item).value_or(MinorUnits{});
          return Money{total.count, i.currency};
        },
        {.derived = true}, "Price of the line."),
    postbox::field(
        "ProductURL", "url", [](const Line& i) -> auto& { return i.item->url; }, {},
        "Address of the product's page."),
    postbox::field(
        "ImageURL", "image_url", [](const Line& i) -> auto& { return i.item->image_url; }, {},
        "Address of the product's image."));

template <class Line>
constexpr auto categories_field(const char* name) {
  return postbox::field(
      name, "categories", [](const Line& i) -> auto& { return i.item->categories; }, {},
      "Categories of the product.");
}

// And what behind them.
template <class Line>
inline constexpr auto kMoreLineFields = std::make_tuple(
    postbox::field(
        "Brand", "brand", [](const Line& i) -> auto& { return i.item->brand; }, {}, "Brand."),
    postbox::field(
        "PriceID", "price_id", [](const Line& i) -> auto& { return i.item->price_id; }, {},
        "The price's id at a billing system."),
    postbox::field(
        "Proration", "proration", [](const Line& i) -> auto& { return i.item->proration; }, {},
        "Whether the line settles a part of a period."));

template <class Line>
constexpr auto line_fields(const char* categories) {
  return std::tuple_cat(kLineFields<Line>, std::make_tuple(categories_field<Line>(categories)),
                        kMoreLineFields<Line>);
}

}  // namespace klaviyo::detail

template <>
struct postbox::Schema<klaviyo::PricedItem> {
  static constexpr auto fields = klaviyo::detail::line_fields<klaviyo::PricedItem>("Categories");
};

template <>
struct postbox::Schema<klaviyo::PricedCartItem> {
  static constexpr auto fields =
      klaviyo::detail::line_fields<klaviyo::PricedCartItem>("ProductCategories");
};

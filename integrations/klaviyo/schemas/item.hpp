// OrderItem is one line of an order or of a cart.
//
// Place:     part of Order and Cart.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   a missing product id or name, a quantity below one and a negative price are
// violations.
#pragma once

#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace klaviyo {

struct OrderItem {
  std::string line_id{};     // unique within the order; empty: the line's position, from 1
  std::string product_id{};  // required
  std::string sku{};
  std::string name{};         // required
  std::int64_t quantity = 1;  // at least one
  MinorUnits unit_price{};    // in the order's currency; not negative
  std::string url{};
  std::string image_url{};
  std::vector<std::string> categories{};
  std::string brand{};

  // What a billing system's invoice has: the price's id, a total that need not be a multiple of the
  // unit price (without one, the unit price counts as not known), and whether the line settles a
  // part of a period.
  std::string price_id{};
  std::optional<MinorUnits> row_total{};  // defaults to quantity times unit price; not negative
  std::optional<bool> proration{};
};

using CartItem = OrderItem;

// The line's total as given, else quantity times unit price; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> row_total(const OrderItem& item) noexcept;

// The sum of all lines; nothing on overflow.
[[nodiscard]] std::optional<MinorUnits> items_total(const std::vector<OrderItem>& items) noexcept;

// A line with the currency of its order: what is written into `Items`.
struct PricedItem {
  const OrderItem* item;
  Currency currency;
};

// The lines of an order or cart as priced ones.
class PricedItems {
 public:
  class Iterator {
   public:
    Iterator(const OrderItem* item, Currency currency) : item_(item), currency_(currency) {}
    PricedItem operator*() const noexcept { return {item_, currency_}; }
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

  PricedItems(const std::vector<OrderItem>& items, Currency currency)
      : items_(&items), currency_(currency) {}

  [[nodiscard]] std::size_t size() const noexcept { return items_->size(); }
  [[nodiscard]] Iterator begin() const noexcept { return {items_->data(), currency_}; }
  [[nodiscard]] Iterator end() const noexcept { return {items_->data() + size(), currency_}; }

 private:
  const std::vector<OrderItem>* items_;
  Currency currency_;
};

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

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::PricedItem> {
  using I = klaviyo::PricedItem;
  static constexpr auto fields = std::make_tuple(
      field(
          "ProductID", "product_id", [](const I& i) -> auto& { return i.item->product_id; },
          {.required = true}, "The product's id in the catalogue."),
      field(
          "SKU", "sku", [](const I& i) -> auto& { return i.item->sku; }, {}, "Stock code."),
      field(
          "ProductName", "name", [](const I& i) -> auto& { return i.item->name; },
          {.required = true}, "The product's name."),
      field(
          "Quantity", "quantity", [](const I& i) { return i.item->quantity; }, {.minimum = 1},
          "How many."),
      field(
          "ItemPrice", "unit_price",
          [](const I& i) -> std::optional<klaviyo::Money> {
            if (i.item->row_total && i.item->unit_price.count == 0) return std::nullopt;
            return klaviyo::Money{i.item->unit_price.count, i.currency};
          },
          {.minimum = 0}, "Price of one."),
      field(
          "RowTotal", "unit_price",
          // An overflow is a violation of its own (validate_rows), so nothing is written then.
          [](const I& i) {
            const auto total = klaviyo::row_total(*i.item).value_or(klaviyo::MinorUnits{});
            return klaviyo::Money{total.count, i.currency};
          },
          {.derived = true}, "Price of the line."),
      field(
          "ProductURL", "url", [](const I& i) -> auto& { return i.item->url; }, {},
          "Address of the product's page."),
      field(
          "ImageURL", "image_url", [](const I& i) -> auto& { return i.item->image_url; }, {},
          "Address of the product's image."),
      field(
          "Categories", "categories", [](const I& i) -> auto& { return i.item->categories; }, {},
          "Categories of the product."),
      field(
          "Brand", "brand", [](const I& i) -> auto& { return i.item->brand; }, {}, "Brand."),
      field(
          "PriceID", "price_id", [](const I& i) -> auto& { return i.item->price_id; }, {},
          "The price's id at a billing system."),
      field(
          "Proration", "proration", [](const I& i) -> auto& { return i.item->proration; }, {},
          "Whether the line settles a part of a period."));
};

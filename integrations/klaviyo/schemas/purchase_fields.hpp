// The field tables of the purchase events.
//
// Place:     inside the integration: validate_order() and the builders' encode().
// Threads:   constants.
// Lifetime:  the views are valid as long as what they were made from.
// Failure:   see schema.hpp.
#pragma once

#include <klaviyo/schemas/item_fields.hpp>
#include <klaviyo/schemas/purchase.hpp>
#include <postbox/schema.hpp>
#include <tuple>

namespace klaviyo {

// Append every broken rule. `now` bounds placed_at: after 1990, at most one year ahead.
void validate_order(const Order& order, postbox::WallTime now,
                    std::vector<postbox::Violation>& violations);

// The same for what happened to the order, with `now` as the bound of its own time.
void validate_order(OrderKind kind, const Order& order, const OrderDetails& details,
                    postbox::WallTime now, std::vector<postbox::Violation>& violations);

// The properties of the events of kOrderMetrics. value: the order's total; of a refund, its amount.
template <class Details>
struct OrderProperties {
  const Order* order;
  const FlatLists* lists;  // of order->items
  const Details* details;
};

}  // namespace klaviyo

template <>
struct postbox::Schema<klaviyo::Address> {
  using A = klaviyo::Address;
  static constexpr auto fields =
      std::make_tuple(field("FirstName", "first_name", &A::first_name, {}, "First name."),
                      field("LastName", "last_name", &A::last_name, {}, "Last name."),
                      field("Address1", "address1", &A::address1, {}, "Street and number."),
                      field("City", "city", &A::city, {}, "City."),
                      field("RegionCode", "region_code", &A::region_code, {}, "Region or state."),
                      field("CountryCode", "country_code", &A::country_code, {}, "Country."),
                      field("Zip", "zip", &A::zip, {}, "Postal code."),
                      field("Phone", "phone", &A::phone, {}, "Phone number."));
};

namespace klaviyo::detail {

using postbox::field;

// The same of everything that happens to an order.
inline constexpr auto kOrderFields = std::make_tuple(
    field(
        "OrderId", "order_id", [](const auto& p) -> auto& { return p.order->order_id; },
        {.required = true, .max_length = 255}, "The order's id."),
    field(
        "CartId", "cart_id", [](const auto& p) -> auto& { return p.order->cart_id; }, {},
        "The cart that became this order."),
    field(
        "Categories", "items", [](const auto& p) -> auto& { return p.lists->categories; },
        {.derived = true}, "Every category, once."),
    field(
        "ItemNames", "items", [](const auto& p) -> auto& { return p.lists->names; },
        {.derived = true}, "Every product name, once."),
    field(
        "Brands", "items", [](const auto& p) -> auto& { return p.lists->brands; },
        {.derived = true}, "Every brand, once."),
    field(
        "DiscountCode", "discount.code",
        [](const auto& p) -> auto& { return p.order->discount.code; }, {}, "Discount code."),
    field(
        "DiscountValue", "discount.amount",
        [](const auto& p) -> std::optional<Money> {
          const auto amount = p.order->discount.amount.count;
          if (amount == 0) return std::nullopt;
          return Money{amount, p.order->currency};
        },
        {.minimum = 0}, "What the discount took off."),
    field(
        "Items", "items",
        [](const auto& p) { return PricedItems(p.order->items, p.order->currency); }, {},
        "The lines."),
    field(
        "BillingAddress", "billing_address",
        [](const auto& p) -> auto& { return p.order->billing_address; }, {}, "Billing address."),
    field(
        "ShippingAddress", "shipping_address",
        [](const auto& p) -> auto& { return p.order->shipping_address; }, {}, "Shipping address."));

// The members that an event has beside them.
template <class Details>
inline constexpr auto kOrderDetailFields = std::tuple<>();

constexpr auto shipment_fields(const char* id, const char* carrier, const char* number,
                               const char* url) {
  return std::make_tuple(
      field(
          "FulfillmentId", id, [](const auto& p) -> auto& { return p.details->fulfillment_id; }, {},
          "The shipment's id."),
      field(
          "Carrier", carrier, [](const auto& p) -> auto& { return p.details->carrier; }, {},
          "Who carries it."),
      field(
          "TrackingNumber", number,
          [](const auto& p) -> auto& { return p.details->tracking_number; }, {},
          "The carrier's number of it."),
      field(
          "TrackingURL", url, [](const auto& p) -> auto& { return p.details->tracking_url; }, {},
          "Where to look for it."));
}

template <>
inline constexpr auto kOrderDetailFields<Fulfillment> =
    shipment_fields("fulfillment.fulfillment_id", "fulfillment.carrier",
                    "fulfillment.tracking_number", "fulfillment.tracking_url");

template <>
inline constexpr auto kOrderDetailFields<Delivery> = shipment_fields("delivery.fulfillment_id",
                                                                     "delivery.carrier",
                                                                     "delivery.tracking_number",
                                                                     "delivery.tracking_url");

template <>
inline constexpr auto kOrderDetailFields<OrderCancellation> = std::make_tuple(field(
    "Reason", "cancellation.reason", [](const auto& p) -> auto& { return p.details->reason; }, {},
    "Why it was cancelled."));

// An amount of a refund, in the order's currency.
template <auto Amount>
struct RefundMoney {
  template <class P>
  constexpr std::optional<Money> operator()(const P& p) const {
    const auto amount = Amount(*p.order, *p.details);
    if (!amount) return std::nullopt;
    return Money{amount->count, p.order->currency};
  }
};

template <>
inline constexpr auto kOrderDetailFields<Refund> = std::make_tuple(
    field("RefundAmount", "refund.amount", RefundMoney<&refund_amount>{}, {.minimum = 1},
          "What this refund gives back."),
    field("TotalRefunded", "refund.total_refunded", RefundMoney<&total_refunded>{}, {.minimum = 1},
          "What was given back in all."),
    field(
        "Reason", "refund.reason", [](const auto& p) -> auto& { return p.details->reason; }, {},
        "Why it was refunded."));

}  // namespace klaviyo::detail

template <>
struct postbox::Schema<klaviyo::PlacedOrder> {
  static constexpr auto fields = klaviyo::detail::kOrderFields;
};

template <class Details>
struct postbox::Schema<klaviyo::OrderProperties<Details>> {
  static constexpr auto fields =
      std::tuple_cat(klaviyo::detail::kOrderFields, klaviyo::detail::kOrderDetailFields<Details>);
};

template <>
struct postbox::Schema<klaviyo::OrderedProduct> {
  using P = klaviyo::OrderedProduct;
  static constexpr auto fields = std::make_tuple(
      field(
          "OrderId", "order_id", [](const P& p) -> auto& { return p.order->order_id; },
          {.required = true, .max_length = 255}, "The order's id."),
      field(
          "ProductID", "product_id", [](const P& p) -> auto& { return p.item->product_id; },
          {.required = true}, "The product's id in the catalogue."),
      field(
          "SKU", "sku", [](const P& p) -> auto& { return p.item->sku; }, {}, "Stock code."),
      field(
          "ProductName", "name", [](const P& p) -> auto& { return p.item->name; },
          {.required = true}, "The product's name."),
      field(
          "Quantity", "quantity", [](const P& p) { return p.item->quantity; }, {.minimum = 1},
          "How many."),
      field(
          "ProductURL", "url", [](const P& p) -> auto& { return p.item->url; }, {},
          "Address of the product's page."),
      field(
          "ImageURL", "image_url", [](const P& p) -> auto& { return p.item->image_url; }, {},
          "Address of the product's image."),
      field(
          "Categories", "categories", [](const P& p) -> auto& { return p.item->categories; }, {},
          "Categories of the product."),
      field(
          "ProductBrand", "brand", [](const P& p) -> auto& { return p.item->brand; }, {},
          "Brand."));
};

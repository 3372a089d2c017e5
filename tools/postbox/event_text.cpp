#include "event_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <klaviyo/encode.hpp>
#include <klaviyo/redact.hpp>

namespace postbox::cli {
namespace {

constexpr std::size_t kMaxShown = 200;
constexpr const char* kMasked = "[masked]";

// Properties whose values say what was bought and when, and not by whom. Whatever else there is,
// also of a shop's own, is masked.
constexpr auto kPlain = std::to_array<std::string_view>({"AddedItemBrand",
                                                         "AddedItemCategories",
                                                         "AddedItemPrice",
                                                         "AddedItemProductID",
                                                         "AddedItemProductName",
                                                         "AddedItemQuantity",
                                                         "AddedItemSKU",
                                                         "Amount",
                                                         "AttemptCount",
                                                         "BillingReason",
                                                         "Brand",
                                                         "Brands",
                                                         "CancelledAt",
                                                         "Carrier",
                                                         "CartId",
                                                         "Categories",
                                                         "CompareAtCurrency",
                                                         "CompareAtPrice",
                                                         "ConvertedFromTrial",
                                                         "Currency",
                                                         "CurrentPeriodEnd",
                                                         "DiscountValue",
                                                         "EffectiveAt",
                                                         "ExistingSubscription",
                                                         "FailureReason",
                                                         "FinalAttempt",
                                                         "FulfillmentId",
                                                         "Immediate",
                                                         "Interval",
                                                         "IntervalCount",
                                                         "Involuntary",
                                                         "IsEmpty",
                                                         "IsTrial",
                                                         "ItemCount",
                                                         "ItemNames",
                                                         "ItemPrice",
                                                         "NextPaymentAttempt",
                                                         "OrderId",
                                                         "PauseKind",
                                                         "PaymentId",
                                                         "PeriodEnd",
                                                         "PeriodStart",
                                                         "PlanId",
                                                         "PlanName",
                                                         "PreviousAmount",
                                                         "PreviousPlanId",
                                                         "PreviousQuantity",
                                                         "Price",
                                                         "PriceID",
                                                         "ProductBrand",
                                                         "ProductCategories",
                                                         "ProductID",
                                                         "ProductId",
                                                         "ProductName",
                                                         "Proration",
                                                         "Quantity",
                                                         "Recovered",
                                                         "RefundAmount",
                                                         "ResumesAt",
                                                         "RowTotal",
                                                         "SKU",
                                                         "StartedAt",
                                                         "Status",
                                                         "SubscriptionId",
                                                         "Total",
                                                         "TotalRefunded",
                                                         "TrialEnd",
                                                         "TrialStart"});

// The event's members beside its properties and profile.
constexpr auto kPlainMembers = std::to_array<std::string_view>(
    {"name", "time", "value", "value_currency", "unique_id", "backfill", "type"});

bool is_in(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// Names may be a shop's own, too.
std::string shown_name(const std::string& name) { return klaviyo::redact(name, kMaxShown); }

Json shown_value(const Json& value) {
  if (!value.is_string()) return value;
  return shown_key(value.get<std::string>(), false);
}

// `is_plain` tells by a member's name whether its value is shown.
Json masked(const Json& value, bool show, const auto& is_plain) {
  if (value.is_object()) {
    Json members = Json::object();
    for (const auto& [name, member] : value.items()) {
      members[shown_name(name)] = masked(member, is_plain(name), is_plain);
    }
    return members;
  }
  if (value.is_array()) {
    Json items = Json::array();
    for (const Json& item : value) items.push_back(masked(item, show, is_plain));
    return items;
  }
  return show ? shown_value(value) : Json(kMasked);
}

bool is_nothing(const std::string&) { return false; }
bool is_plain_member(const std::string& name) { return is_in(kPlainMembers, name); }

Json masked_member(const std::string& name, const Json& value) {
  if (name == "profile") return masked(value, false, is_nothing);
  if (name == "properties") return masked(value, false, is_plain_property);
  return masked(value, is_plain_member(name), is_plain_member);
}

}  // namespace

bool is_plain_property(std::string_view name) { return is_in(kPlain, name); }

Json structure_of(const EventRecord& event, bool reveal) {
  const auto payload = klaviyo::decode(event.payload);
  if (!payload) return nullptr;
  const Json profile = Json::parse(payload->profile, nullptr, false);
  const std::string members =
      payload->is_consent() ? "{}" : "{" + std::string(payload->members) + "}";
  Json whole = Json::parse(members, nullptr, false);
  if (profile.is_discarded() || whole.is_discarded()) return nullptr;
  whole["profile"] = profile.value("attributes", Json::object());
  if (reveal) return whole;
  Json shown = Json::object();
  for (const auto& [name, value] : whole.items()) {
    shown[shown_name(name)] = masked_member(name, value);
  }
  return shown;
}

std::string shown_key(std::string_view key, bool reveal) {
  return reveal ? printable(key) : klaviyo::redact_id(key, kMaxShown);
}

Json json_of(const EventLine& line) {
  return {{"id", static_cast<std::int64_t>(line.handle)},
          {"family", line.family},
          {"metric", line.metric},
          {"key", line.key},
          {"age_ms", line.age.count()}};
}

}  // namespace postbox::cli

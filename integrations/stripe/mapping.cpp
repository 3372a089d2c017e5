#include <algorithm>
#include <array>
#include <new>
#include <stripe/draft.hpp>

namespace stripe {
namespace {

using postbox::Result;

struct Kind {
  std::string_view prefix;
  void (*map)(std::string_view what, Draft& draft);
};

constexpr auto kHandled = std::to_array<std::string_view>({
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.expired",
    "charge.refund.updated",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
    "payment_intent.succeeded",
    "refund.failed",
    "refund.updated",
});
static_assert(std::ranges::is_sorted(kHandled));

// The longer prefix first.
constexpr std::array<Kind, 8> kKinds = {{
    {"checkout.session.", map_session},
    {"customer.subscription.", map_subscription},
    {"customer.", map_customer},
    {"invoice_payment.", map_invoice_payment},
    {"invoice.", map_invoice},
    {"charge.", map_charge},
    {"refund.", map_refund},
    {"payment_intent.", map_payment_intent},
}};

const Kind* kind_of(std::string_view type) {
  for (const Kind& kind : kKinds) {
    if (type.starts_with(kind.prefix)) return &kind;
  }
  return nullptr;
}

Mapping ignored(Node event, std::string_view why) {
  Mapping mapping;
  mapping.event_id = event["id"].text();
  mapping.type = event["type"].text();
  mapping.ignored = why;
  mapping.is_unhandled = !is_handled(mapping.type);
  return mapping;
}

// A thin event names the object and does not have it: "v1.invoice.paid" for "invoice.paid".
Mapping map_thin(Node event, const MappingOptions& options) {
  constexpr std::string_view kVersion = "v1.";
  if (event["livemode"].boolean() == false && !options.test_mode) {
    return ignored(event, "test mode");
  }
  Mapping mapping = ignored(event, "thin event");
  const std::string_view type = mapping.type;
  (void)event["id"].need_text("id");  // the key under which it waits
  mapping.is_thin = type.starts_with(kVersion) && is_handled(type.substr(kVersion.size()));
  mapping.is_unhandled = !mapping.is_thin;
  return mapping;
}

// EventBridge and Event Grid wrap the event.
Node unwrap(Node root) {
  if (!root["object"].is_absent()) return root;
  if (root["detail"]["object"].text() == "event") return root["detail"];
  if (root.has("specversion") && root["data"]["object"].text() == "event") return root["data"];
  return root;
}

Mapping map_event(Node event, const MappingOptions& options) {
  const std::string_view object = event["object"].text();
  if (object == "v2.core.event") return map_thin(event, options);
  if (object != "event") throw BadBody("object", "\"event\"");
  const Kind* kind = kind_of(event["type"].text());
  if (kind == nullptr) return ignored(event, "no mapping");
  if (!event["livemode"].need_boolean("livemode") && !options.test_mode) {
    return ignored(event, "test mode");
  }
  const Node subject = event["data"]["object"];
  if (!subject.is_object()) throw BadBody("data.object", "an object");
  Draft draft(event, subject, options);
  draft.record_email(subject["customer"]["email"].text());
  kind->map(event["type"].text().substr(kind->prefix.size()), draft);
  Mapping mapping = std::move(draft).finish();
  mapping.is_unhandled = !is_handled(mapping.type);
  return mapping;
}

}  // namespace

bool is_handled(std::string_view type) noexcept {
  return std::ranges::binary_search(kHandled, type);
}

Result<Mapping> to_events(std::string_view text, const MappingOptions& options) {
  try {
    const Body body(text);
    return map_event(unwrap(body.root()), options);
  } catch (const BadBody& bad) {
    return bad.error();
  } catch (const std::exception& error) {
    return postbox::Error{postbox::ErrorCode::kInternal, error.what()};
  }
}

}  // namespace stripe

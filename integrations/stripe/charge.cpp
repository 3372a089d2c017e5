#include <stripe/draft.hpp>

namespace stripe {
namespace {

std::string_view email_of(Node charge) {
  const auto email = charge["billing_details"]["email"].text();
  return email.empty() ? charge["receipt_email"].text() : email;
}

// The key of the order that the charge has paid: Klaviyo wants a refund to carry it. Charges name
// their invoice until 2025-03-31.
std::string order_of(Draft& draft) {
  const Node charge = draft.object();
  if (const auto invoice = charge["invoice"].id(); !invoice.empty()) return std::string(invoice);
  const auto payment = charge["payment_intent"].id();
  if (!payment.empty()) return draft.order_of(payment);
  return std::string(draft.need_id());
}

// What was given back before this refund.
std::int64_t refunded_before(const Draft& draft) {
  const Node before = draft.previous()["amount_refunded"];
  if (before.is_absent()) return 0;
  return before.need_integer("data.previous_attributes.amount_refunded");
}

void refund(Draft& draft) {
  const Node charge = draft.object();
  const auto currency = draft.need_currency();
  const std::string id(draft.need_id());
  const auto total = draft.need_amount("amount_refunded", currency);
  const auto before = minor_units(refunded_before(draft), currency);
  if (!before || before->count < 0 || before->count >= total.count) return;

  klaviyo::Order order;
  order.order_id = order_of(draft);
  order.unique_id = draft.unique_id(order.order_id);
  order.currency = currency;
  order.lines_unknown = true;
  order.properties.push_back({"ChargeId", id});
  order.properties.push_back(
      {"ChargeAmount", klaviyo::Money{draft.need_amount("amount", currency).count, currency}});
  // The order's profile, not the refund's: only there Klaviyo puts the two together.
  order.customer =
      draft.profile({email_of(charge), draft.customer(), order.order_id}, order.unique_id);

  klaviyo::Refund refund;
  refund.amount = klaviyo::MinorUnits{total.count - before->count};
  refund.total_refunded = total;
  refund.refunded_at = draft.created();
  if (charge["refunded"].need_boolean(Draft::path("refunded"))) {
    return draft.add(klaviyo::order_refunded(std::move(order), std::move(refund)));
  }
  const std::string so_far = std::to_string(charge["amount_refunded"].integer().value_or(0));
  refund.unique_id = draft.unique_id(id, "refunded", so_far);
  draft.add(klaviyo::order_partially_refunded(std::move(order), std::move(refund)));
}

}  // namespace

void map_charge(std::string_view what, Draft& draft) {
  draft.learn_email(draft.customer(), email_of(draft.object()));
  const Node charge = draft.object();
  draft.learn_order(charge["payment_intent"].id(), charge["invoice"].id());
  if (what == "refunded") refund(draft);
}

}  // namespace stripe

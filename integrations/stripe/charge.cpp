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
  return draft.order_of({charge["payment_intent"].id(), draft.need_id()});
}

// The last of the refunds that bodies list until 2022-11-15; nothing when they do not add up to
// what was refunded in all.
std::optional<std::int64_t> last_refund(Node charge, std::int64_t total) {
  const Node refunds = charge["refunds"]["data"];
  std::int64_t rest = total;
  Node last;
  for (std::size_t i = 0; i < refunds.size(); ++i) {
    const Node refund = refunds.at(i);
    const auto status = refund["status"].text();
    if (status == "failed" || status == "canceled") continue;
    const auto created = refund["created"].integer();
    const auto amount = refund["amount"].integer();
    if (!created || !amount || *amount <= 0 || *amount > rest) return std::nullopt;
    rest -= *amount;
    if (created > last["created"].integer()) last = refund;
  }
  return rest == 0 ? last["amount"].integer() : std::nullopt;
}

// What was given back this time. Never guessed: the total of several refunds would count the
// earlier ones again.
std::int64_t refunded_now(const Draft& draft, std::int64_t total) {
  const Node before = draft.previous()["amount_refunded"];
  if (before.is_absent()) {
    if (const auto last = last_refund(draft.object(), total)) return *last;
  }
  return total - before.need_integer("data.previous_attributes.amount_refunded");
}

void refund(Draft& draft) {
  const Node charge = draft.object();
  const auto currency = draft.need_currency();
  const std::string id(draft.need_id());
  const auto total = draft.need_amount("amount_refunded", currency);
  const auto paid = draft.need_amount("amount", currency);
  if (total > paid) throw BadBody(Draft::path("amount_refunded"), "at most the amount");
  const std::int64_t count = charge["amount_refunded"].integer().value_or(0);
  const std::int64_t now = refunded_now(draft, count);
  if (now <= 0) return;  // a refund that failed was taken back
  const auto amount = now <= count ? minor_units(now, currency) : std::nullopt;
  if (!amount) {
    throw BadBody("data.previous_attributes.amount_refunded",
                  "from 0 to amount_refunded, and an amount that " + std::string(currency.code()) +
                      " can express");
  }
  const std::string so_far = std::to_string(count);

  klaviyo::Order order;
  order.order_id =
      draft.decide(draft.key("refund", id + ":" + so_far), [&] { return order_of(draft); });
  order.unique_id = draft.unique_id(order.order_id);
  order.currency = currency;
  order.lines_unknown = true;
  order.properties.push_back({"ChargeId", id});
  order.properties.push_back({"ChargeAmount", klaviyo::Money{paid.count, currency}});
  // The order's profile, not the refund's: only there Klaviyo puts the two together.
  order.customer =
      draft.profile({email_of(charge), draft.customer(), order.order_id}, order.unique_id);

  klaviyo::Refund refund;
  refund.amount = amount;
  refund.total_refunded = total;
  refund.refunded_at = draft.created();
  if (charge["refunded"].need_boolean(Draft::path("refunded"))) {
    return draft.add(klaviyo::order_refunded(std::move(order), std::move(refund)));
  }
  refund.unique_id = draft.unique_id(id, "refunded", so_far);
  draft.add(klaviyo::order_partially_refunded(std::move(order), std::move(refund)));
}

}  // namespace

void map_charge(std::string_view what, Draft& draft) {
  const Node charge = draft.object();
  draft.learn_email(email_of(charge));
  draft.learn_order(charge["payment_intent"].id(), charge["invoice"].id());
  if (what == "refunded") refund(draft);
}

}  // namespace stripe

#include <stripe/draft.hpp>

namespace stripe {
namespace {

std::string_view email_of(Node session) {
  const auto email = session["customer_details"]["email"].text();
  return email.empty() ? session["customer_email"].text() : email;
}

// The invoice counts what an invoice has; a session with one has its key, so that it is one order.
std::string_view order_id_of(Node session) {
  for (const auto* name : {"invoice", "payment_intent"}) {
    if (const auto id = session[name].id(); !id.empty()) return id;
  }
  return session["id"].text();
}

void place_order(Draft& draft) {
  const Node session = draft.object();
  if (session["mode"].text() != "payment" || session["payment_status"].text() != "paid") return;
  const auto currency = draft.need_currency();
  const auto total = draft.need_amount("amount_total", currency);
  if (total.count == 0) return;

  klaviyo::Order order;
  order.order_id = order_id_of(session);
  order.unique_id = draft.unique_id(order.order_id);
  order.currency = currency;
  order.total = total;
  order.lines_unknown = true;
  order.placed_at = draft.created();
  const Node details = session["total_details"];
  order.discount.amount =
      Draft::amount(details["amount_discount"], currency).value_or(order.discount.amount);
  if (const auto tax = Draft::amount(details["amount_tax"], currency)) {
    order.properties.push_back({"Tax", klaviyo::Money{tax->count, currency}});
  }
  draft.learn_order(session["payment_intent"].id(), order.order_id);
  order.customer =
      draft.profile({email_of(session), draft.customer(), order.order_id}, order.unique_id);
  draft.add(OrderPlaced(std::move(order)));
}

// A payment that needs days has failed after the checkout.
void fail_payment(Draft& draft) {
  klaviyo::PaymentAttempt payment;
  payment.payment_id = draft.need_id();
  payment.unique_id = draft.unique_id(payment.payment_id, "failed");
  const auto currency = draft.need_currency();
  payment.amount = {draft.need_amount("amount_total", currency).count, currency};
  payment.occurred_at = draft.created();
  payment.customer = draft.profile({email_of(draft.object()), draft.customer(), payment.payment_id},
                                   payment.unique_id);
  draft.add(klaviyo::payment_failed(std::move(payment)));
}

// Whom nobody can write to has not abandoned anything.
void abandon(Draft& draft) {
  const Node session = draft.object();
  const auto email = email_of(session);
  if (email.empty() || session["mode"].text() == "setup") return;
  klaviyo::Cart cart;
  cart.cart_id = draft.need_id();
  cart.unique_id = draft.unique_id(cart.cart_id);
  cart.currency = draft.need_currency();
  // The schema wants lines or a total; Klaviyo takes a zero for none.
  cart.total =
      Draft::amount(session["amount_total"], cart.currency).value_or(klaviyo::MinorUnits{});
  cart.updated_at = draft.created();
  cart.customer = draft.profile({email, draft.customer(), cart.cart_id}, cart.unique_id);
  const auto recovery = session["after_expiration"]["recovery"]["url"].text();
  draft.add(klaviyo::checkout_abandoned(
      std::move(cart), {.recovery_url = std::string(recovery), .abandoned_at = draft.created()}));
}

}  // namespace

void map_session(std::string_view what, Draft& draft) {
  draft.learn_email(email_of(draft.object()));
  if (what == "completed" || what == "async_payment_succeeded") return place_order(draft);
  if (what == "async_payment_failed") return fail_payment(draft);
  if (what == "expired") return abandon(draft);
}

}  // namespace stripe

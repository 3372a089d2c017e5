#include <stripe/draft.hpp>

namespace stripe {
namespace {

std::string_view email_of(Node session) {
  const auto email = session["customer_details"]["email"].text();
  return email.empty() ? session["customer_email"].text() : email;
}

// The id of the payment that lasts longest.
std::string_view payment_of(Node session) {
  const auto id = session["payment_intent"].id();
  return id.empty() ? session["id"].text() : id;
}

// Stripe creates an invoice for the session, and the session does not name it yet.
bool awaits_invoice(Node session) {
  return session["invoice"].id().empty() && session["invoice_creation"]["enabled"].is_true() &&
         !session["payment_intent"].id().empty();
}

// The shop's own key; otherwise that of the invoice, which is an order, too; otherwise the
// payment's.
OrderKey order_of(Draft& draft) {
  const Node session = draft.object();
  const auto invoice = session["invoice"].id();
  const auto payment = session["payment_intent"].id();
  std::string order = draft.reference(payment_of(session));
  const bool has_reference = !order.empty();
  if (order.empty()) order = invoice;
  if (order.empty()) order = draft.find_order({payment}).value_or("");
  if (order.empty()) {
    order = payment_of(session);
    if (awaits_invoice(session)) draft.await_fact("order", payment);
  }
  const bool is_settled = !awaits_invoice(session) || has_reference || order != payment;
  order = draft.decide_order({payment, invoice}, order);
  // A body that waits for this fact must not record it itself.
  if (is_settled) draft.record_order(payment, order);
  return draft.order_key(order);
}

bool is_free(Node session) { return session["payment_status"].text() == "no_payment_required"; }

void place_order(Draft& draft) {
  const Node session = draft.object();
  if (session["mode"].text() != "payment") return;
  const OrderKey key = order_of(draft);
  // Decided even if the session is not paid yet: the webhook of a later payment has no address.
  auto customer = draft.profile({email_of(session), draft.customer(), key.id}, key.unique_id);
  if (session["payment_status"].text() != "paid" && !is_free(session)) return;
  const auto currency = draft.need_currency();
  (void)draft.need_amount("amount_total", currency);
  const auto total = is_free(session) ? 0 : session["amount_total"].integer().value_or(0);
  const Placed placed = draft.decide_placed(key, {total, std::string(session["currency"].text())});
  if (placed.count == 0 && total > 0) return;  // released before it was said to be paid

  klaviyo::Order order;
  order.order_id = key.id;
  order.unique_id = key.unique_id;
  order.currency = currency_of(placed.currency);
  order.total = minor_units(placed.count, order.currency);
  order.lines_unknown = true;
  order.placed_at = draft.created();
  const Node details = session["total_details"];
  order.discount.amount =
      Draft::amount(details["amount_discount"], currency).value_or(order.discount.amount);
  if (const auto tax = Draft::amount(details["amount_tax"], currency)) {
    order.properties.push_back({"Tax", klaviyo::Money{tax->count, currency}});
  }
  order.customer = std::move(customer);
  draft.add_event(Report::kCheckout, OrderPlaced(std::move(order)));
}

// A customer who has completed a checkout has bought, paid or not yet.
void complete(Draft& draft) {
  const Node session = draft.object();
  klaviyo::CartCompletion::Whose whose;
  whose.cart_id = whose.user_id = session["client_reference_id"].text();
  whose.customer.email = usable_email(email_of(session));
  whose.customer.phone = session["customer_details"]["phone"].text();
  whose.customer.external_id = draft.customer();
  draft.record_purchase(whose.customer.email);
  draft.record_purchase(draft.customer());
  draft.end_carts(klaviyo::CartCompletion(std::move(whose), draft.created()));
  place_order(draft);
}

// A delayed payment has failed, days after the checkout.
void fail_payment(Draft& draft) {
  klaviyo::PaymentAttempt payment;
  payment.payment_id = draft.need_id();
  payment.unique_id = draft.unique_id(payment.payment_id, "failed");
  const auto currency = draft.need_currency();
  payment.amount = {draft.need_amount("amount_total", currency).count, currency};
  payment.occurred_at = draft.created();
  payment.customer = draft.profile({email_of(draft.object()), draft.customer(), payment.payment_id},
                                   payment.unique_id);
  draft.add_event(Report::kCheckout, klaviyo::payment_failed(std::move(payment)));
}

// A session without an address is not reported: no one can write to the customer.
void abandon(Draft& draft) {
  const Node session = draft.object();
  const auto email = email_of(session);
  if (email.empty() || session["mode"].text() == "setup") return;
  const auto begun = session["created"].time().value_or(draft.created());
  if (draft.has_bought_since(usable_email(email), begun) ||
      draft.has_bought_since(draft.customer(), begun)) {
    return;
  }
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
  draft.add_event(Report::kAbandoned,
                  klaviyo::checkout_abandoned(
                      std::move(cart), {.recovery_url = std::string(recovery),
                                        .abandoned_at = draft.created(),
                                        .unless_bought_since =
                                            session["created"].time().value_or(draft.created())}));
}

}  // namespace

void map_session(std::string_view what, Draft& draft) {
  draft.record_email(email_of(draft.object()));
  if (what == "completed" || what == "async_payment_succeeded") return complete(draft);
  if (what == "async_payment_failed") return fail_payment(draft);
  if (what == "expired") return abandon(draft);
}

}  // namespace stripe

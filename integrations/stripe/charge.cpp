#include <algorithm>
#include <stripe/give_back.hpp>

namespace stripe {
namespace {

std::string_view email_of(Node charge) {
  const auto email = charge["billing_details"]["email"].text();
  return email.empty() ? charge["receipt_email"].text() : email;
}

// Charge is a charge by its money. Only the captured part is money. The rest is a hold: Stripe
// counts it as refunded when it is released, but no one has ever had it.
class Charge {
 public:
  explicit Charge(Draft& draft)
      : id(draft.need_id()),
        currency(draft.need_currency()),
        code(draft.object()["currency"].text()),
        payment(draft.object()["payment_intent"].id()) {
    const Node charge = draft.object();
    refunded = count(draft, "amount_refunded");
    amount = count(draft, "amount");
    is_captured = charge["captured"].boolean().value_or(true);
    const auto said = charge["amount_captured"].integer();
    captured = !is_captured ? 0 : said ? count(draft, "amount_captured") : amount;
    amount = std::max(amount, captured);
    if (refunded > amount) throw BadBody(Draft::path("amount_refunded"), "at most the amount");
    is_refunded = charge["refunded"].is_true();
  }

  // The part of a hold that was never taken.
  [[nodiscard]] std::int64_t released() const { return amount - captured; }

  // The part of `sum`, which Stripe calls refunded, that had been money. A charge that is refunded
  // although less than its amount is does not include the released part in the sum.
  [[nodiscard]] std::int64_t given_back(std::int64_t sum) const {
    if (is_refunded && refunded < amount) return sum;
    return std::max<std::int64_t>(0, sum - released());
  }

  std::string id;
  klaviyo::Currency currency;
  std::string code;
  std::string_view payment;
  std::int64_t amount = 0;
  std::int64_t captured = 0;
  std::int64_t refunded = 0;
  bool is_captured = true;
  bool is_refunded = false;

 private:
  std::int64_t count(const Draft& draft, std::string_view name) const {
    (void)draft.need_amount(name, currency);
    return draft.object()[name].integer().value_or(0);
  }
};

// The key of the order that the charge has paid: Klaviyo needs it in a refund. Charges before
// 2025-03-31 name their invoice.
std::string order_of(Draft& draft) {
  const Node charge = draft.object();
  const auto invoice = charge["invoice"].id();
  const auto payment = charge["payment_intent"].id();
  if (auto order = draft.find_order({invoice, payment, draft.need_id()})) return *std::move(order);
  if (!invoice.empty()) return std::string(invoice);
  return draft.order_of({payment, draft.need_id()});
}

klaviyo::Order order_with(Draft& draft, const Charge& charge, const OrderKey& key) {
  klaviyo::Order order;
  order.order_id = key.id;
  order.unique_id = key.unique_id;
  order.currency = charge.currency;
  order.lines_unknown = true;
  order.properties.push_back({"ChargeId", charge.id});
  order.properties.push_back(
      {"ChargeAmount", klaviyo::Money{need_units(charge.amount, charge.currency, "amount").count,
                                      charge.currency}});
  // The order's profile, not the refund's: Klaviyo matches the two within a profile only.
  order.customer =
      draft.profile({email_of(draft.object()), draft.customer(), key.id}, key.unique_id);
  return order;
}

// The last of the refunds, which bodies before 2022-11-15 list; nothing when they do not add up to
// `total`.
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

// The amount that Stripe had counted as refunded before this refund. Never guessed: the total of
// several refunds would count the earlier ones again.
std::int64_t refunded_before(const Draft& draft, std::int64_t total) {
  const Node before = draft.previous()["amount_refunded"];
  if (before.is_absent()) {
    if (const auto last = last_refund(draft.object(), total)) return total - *last;
  }
  const auto count = before.need_integer("data.previous_attributes.amount_refunded");
  if (count >= 0) return count;
  throw BadBody("data.previous_attributes.amount_refunded", "from 0 to amount_refunded");
}

// Takes the released part of a hold from an order that was reported with it. An order that was not
// reported yet is decided to be without it.
void release(Draft& draft, const Charge& charge, const OrderKey& key) {
  if (charge.released() == 0) return;
  const Placed placed = draft.decide_placed(key, {charge.captured, charge.code});
  if (placed.currency != charge.code) return;
  const std::int64_t missing = std::min(placed.count, charge.amount) - charge.captured;
  if (missing <= 0) return;
  klaviyo::Order order = order_with(draft, charge, key);
  const auto units = need_units(missing, charge.currency, "amount_captured");
  if (missing == placed.count) {
    order.total = units;
    return draft.add_event(
        Report::kRefunds,
        klaviyo::order_cancelled(std::move(order),
                                 {.reason = "hold released", .cancelled_at = draft.created()}));
  }
  klaviyo::Refund refund;
  refund.amount = refund.total_refunded = units;
  refund.reason = "captured in part";
  refund.refunded_at = draft.created();
  refund.unique_id = draft.unique_id(charge.id, "released");
  draft.add_event(Report::kRefunds,
                  klaviyo::order_partially_refunded(std::move(order), std::move(refund)));
}

// Two refunds of one charge with the same total are one, unless a refund has failed between them.
std::string turn_of(Draft& draft, const Charge& charge) {
  const auto turn = draft.decide(draft.key("turn", draft.event_id()), [&] {
    return std::to_string(draft.size_of(draft.key("failed", charge.id)));
  });
  return turn == "0" ? std::string() : ":" + turn;
}

void refund(Draft& draft) {
  const Charge charge(draft);
  (void)draft.object()["refunded"].need_boolean(Draft::path("refunded"));
  const std::int64_t before = charge.is_captured ? refunded_before(draft, charge.refunded) : 0;
  const std::int64_t total = charge.given_back(charge.refunded);
  const std::int64_t now = charge.is_captured ? total - charge.given_back(before) : 0;
  if (now <= 0 && charge.released() == 0) return;  // a refund that failed was taken back

  const std::string turn = now > 0 ? turn_of(draft, charge) : std::string();
  const std::string so_far = std::to_string(charge.refunded) + turn;
  const auto order_id = now > 0 ? draft.decide(draft.key("refund", charge.id + ":" + so_far),
                                               [&] { return order_of(draft); })
                                : order_of(draft);
  const OrderKey key = draft.order_key(order_id);
  release(draft, charge, key);
  if (now <= 0) return;
  if (draft.reports(Report::kRefunds)) draft.record_fact("refunded", charge.id);

  GivenBack back;
  back.source = charge.id + turn;
  back.currency = charge.code;
  back.covers = charge.is_refunded ? charge.amount : 0;
  back.refund.amount = need_units(now, charge.currency, "amount_refunded");
  back.refund.total_refunded = need_units(total, charge.currency, "amount_refunded");
  back.refund.refunded_at = draft.created();
  back.refund.unique_id = draft.unique_id(charge.id, "refunded", so_far);
  give_back(draft, Report::kRefunds, order_with(draft, charge, key), std::move(back));
}

void place_order(Draft& draft, const Charge& charge, const OrderKey& key, std::int64_t count,
                 std::string unique_id) {
  klaviyo::Order order = order_with(draft, charge, key);
  order.unique_id = std::move(unique_id);
  order.total = need_units(count, charge.currency, "amount_captured");
  order.placed_at = draft.created();
  draft.add_event(draft.reports(Report::kCheckout) ? Report::kCheckout : Report::kPaymentIntents,
                  OrderPlaced(std::move(order)));
}

// A hold becomes money, all of it or a part. The order must be known: a shop that creates its own
// PaymentIntents reports its own orders, unless STRIPE_EVENTS has payment_intents.
void capture(Draft& draft) {
  const Charge charge(draft);
  if (charge.captured == 0) return;
  auto order = draft.find_order({charge.payment, charge.id});
  if (!order && !draft.reports(Report::kPaymentIntents)) {
    return draft.await_fact("order", charge.payment.empty() ? charge.id : charge.payment);
  }
  if (!order) {
    const std::string paid(charge.payment.empty() ? charge.id : charge.payment);
    const auto own = draft.reference(paid);
    order = draft.decide_order({charge.payment, charge.id}, own.empty() ? paid : own);
  }
  const OrderKey key = draft.order_key(*order);
  const auto before = draft.previous()["amount_captured"].integer().value_or(0);
  if (before > 0 && before < charge.captured) {  // one of several captures
    return place_order(draft, charge, key, charge.captured - before,
                       draft.unique_id(charge.id, "captured", std::to_string(charge.captured)));
  }
  const Placed placed = draft.decide_placed(key, {charge.captured, charge.code});
  if (placed.count == charge.captured && placed.currency == charge.code) {
    place_order(draft, charge, key, placed.count, key.unique_id);
  }
  release(draft, charge, key);
}

// A hold that no one has captured in time.
void expire(Draft& draft) {
  const Charge charge(draft);
  if (charge.is_captured) return;
  release(draft, charge, draft.order_key(order_of(draft)));
}

}  // namespace

void map_charge(std::string_view what, Draft& draft) {
  constexpr std::string_view kDispute = "dispute.";
  if (what.starts_with(kDispute)) return map_dispute(what.substr(kDispute.size()), draft);
  if (what == "refund.updated") return map_refund(what, draft);
  const Node charge = draft.object();
  draft.record_email(email_of(charge));
  draft.record_order(charge["payment_intent"].id(), charge["invoice"].id());
  if (what == "refunded") return refund(draft);
  if (what == "captured") return capture(draft);
  if (what == "expired") return expire(draft);
}

// For shops that create their own PaymentIntents. Each Checkout and invoice has one, too.
void map_payment_intent(std::string_view what, Draft& draft) {
  if (what != "succeeded") return;
  const Node payment = draft.object();
  const std::string id(draft.need_id());
  const auto old_email = payment["charges"]["data"].size() > 0
                             ? email_of(payment["charges"]["data"].at(0))
                             : std::string_view();
  const auto email = payment["receipt_email"].text();
  draft.record_email(email.empty() ? old_email : email);
  const auto invoice = payment["invoice"].id();
  draft.record_order(id, invoice);
  if (!draft.reports(Report::kPaymentIntents)) return draft.switch_off();

  const auto currency = draft.need_currency();
  (void)draft.need_amount("amount_received", currency);
  const std::int64_t received = payment["amount_received"].integer().value_or(0);
  if (received == 0) return;
  std::string order_id = draft.find_order({id, invoice}).value_or(std::string(invoice));
  if (order_id.empty()) order_id = draft.reference(id);
  if (order_id.empty()) order_id = id;
  const OrderKey key = draft.order_key(draft.decide_order({id, invoice}, order_id));
  const Placed placed =
      draft.decide_placed(key, {received, std::string(payment["currency"].text())});
  draft.record_order(id, order_id);
  if (placed.count == 0) return;

  klaviyo::Order order;
  order.order_id = key.id;
  order.unique_id = key.unique_id;
  order.currency = currency_of(placed.currency);
  order.total = need_units(placed.count, order.currency, "amount_received");
  order.lines_unknown = true;
  order.placed_at = draft.created();
  order.customer =
      draft.profile({email.empty() ? old_email : email, draft.customer(), key.id}, key.unique_id);
  draft.add_event(Report::kPaymentIntents, OrderPlaced(std::move(order)));
}

}  // namespace stripe

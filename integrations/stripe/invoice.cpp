#include <algorithm>
#include <cstdlib>
#include <stripe/draft.hpp>

namespace stripe {
namespace {

using postbox::WallTime;

constexpr std::string_view kRenewal = "subscription_cycle";

// The members of a line and of an invoice that moved on 2025-03-31: one body may have both shapes.
Node line_details(Node line) {
  const Node parent = line["parent"];
  const Node details = parent["subscription_item_details"];
  return details.is_object() ? details : parent["invoice_item_details"];
}

std::string_view subscription_of_line(Node line) {
  const auto id = line["subscription"].id();
  return id.empty() ? line_details(line)["subscription"].id() : id;
}

std::string_view subscription_of(Node invoice) {
  if (const auto id = invoice["subscription"].id(); !id.empty()) return id;
  const auto id = invoice["parent"]["subscription_details"]["subscription"].id();
  if (!id.empty()) return id;
  const Node lines = invoice["lines"]["data"];
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (const auto of_line = subscription_of_line(lines.at(i)); !of_line.empty()) return of_line;
  }
  return {};
}

bool is_proration(Node line) {
  return line["proration"].is_true() || line_details(line)["proration"].is_true();
}

// A line of a subscription's item, as opposed to something sold once with it.
bool is_subscription_line(Node line) {
  return line["type"].text() == "subscription" ||
         line["parent"]["subscription_item_details"].is_object();
}

// The price of a line: `pricing`, or the older `price` or `plan`.
struct LinePrice {
  explicit LinePrice(Node line) {
    const Node now = line["pricing"]["price_details"];
    const Node before = line["price"].is_absent() ? line["plan"] : line["price"];
    id = now["price"].id().empty() ? before.id() : now["price"].id();
    product = now["product"].id().empty() ? before["product"].id() : now["product"].id();
    name = before["nickname"].text();
  }

  std::string_view id;
  std::string_view product;
  std::string_view name;
};

template <class... Texts>
std::string first_of(const Texts&... texts) {
  std::string_view found;
  ((found = found.empty() ? std::string_view(texts) : found), ...);
  return std::string(found);
}

// Nothing for a credit, which is no item, and for an amount that cannot be told.
std::optional<klaviyo::OrderItem> item_of(Node line, const klaviyo::Currency& currency) {
  const auto total = Draft::amount(line["amount"], currency);
  if (!total) return std::nullopt;
  const LinePrice price(line);
  klaviyo::OrderItem item;
  item.price_id = price.id;
  item.product_id = first_of(price.product, price.id, line["id"].text());
  item.name = first_of(line["description"].text(), price.name, item.product_id);
  item.quantity = std::max<std::int64_t>(1, line["quantity"].integer().value_or(1));
  item.row_total = total;
  item.proration = is_proration(line);
  if (item.product_id.empty()) return std::nullopt;
  return item;
}

// The lines of the first page: the body of a longer invoice has `has_more` and not the rest. The
// amount paid does not follow from the lines.
std::vector<klaviyo::OrderItem> items_of(Node invoice, const klaviyo::Currency& currency) {
  const Node lines = invoice["lines"]["data"];
  std::vector<klaviyo::OrderItem> items;
  for (std::size_t i = 0; i < std::min(lines.size(), postbox::kMaxArrayItems); ++i) {
    if (auto item = item_of(lines.at(i), currency)) items.push_back(*std::move(item));
  }
  return items;
}

// The time of the payment: the same in each webhook that reports it.
WallTime paid_at(const Draft& draft) {
  return draft.object()["status_transitions"]["paid_at"].time().value_or(draft.created());
}

void add_text(std::string_view name, std::string_view value,
              std::vector<klaviyo::Property>& properties) {
  if (!value.empty()) properties.push_back({std::string(name), std::string(value)});
}

klaviyo::Profile payer_of(Draft& draft, const std::string& unique_id) {
  return draft.profile({draft.object()["customer_email"].text(), draft.customer(), draft.need_id()},
                       unique_id);
}

Report report_of(Node invoice) {
  return subscription_of(invoice).empty() ? Report::kInvoices : Report::kSubscriptions;
}

// The payments of the invoice, as far as bodies have named them.
std::vector<std::string> payments_of(Draft& draft) {
  const Node invoice = draft.object();
  std::vector<std::string> payments;
  const auto add = [&](std::string_view id) {
    if (!id.empty()) payments.emplace_back(id);
  };
  add(invoice["payment_intent"].id());
  const Node list = invoice["payments"]["data"];
  for (std::size_t i = 0; i < list.size(); ++i) {
    add(list.at(i)["payment"]["payment_intent"].id());
  }
  if (const auto linked = draft.find_fact(draft.key("payment", draft.need_id()))) add(*linked);
  return payments;
}

// A Checkout and its invoice, and a PaymentIntent and its invoice, are one order.
OrderKey order_of(Draft& draft) {
  const std::string id(draft.need_id());
  const auto payments = payments_of(draft);
  std::vector<std::string_view> aliases(payments.begin(), payments.end());
  aliases.push_back(id);
  // Only that fact says that a PaymentIntent, which would be an order of its own, is this
  // invoice's.
  if (payments.empty() && draft.reports(Report::kPaymentIntents) &&
      !draft.find_decision(draft.key("order", id))) {
    draft.await_fact("payment", id);
  }
  const std::string own = draft.reference(id);
  return draft.order_key(draft.decide_order(aliases, own.empty() ? id : own));
}

void place_order(Draft& draft, const klaviyo::Currency& currency) {
  const Node invoice = draft.object();
  const auto subscription = subscription_of(invoice);
  const OrderKey key = order_of(draft);
  const Placed placed = draft.decide_placed(
      key, {invoice["amount_paid"].integer().value_or(0), std::string(invoice["currency"].text())});
  klaviyo::Order order;
  order.order_id = key.id;
  order.unique_id = key.unique_id;
  order.currency = currency_of(placed.currency);
  order.total = minor_units(placed.count, order.currency);
  order.items = items_of(invoice, currency);
  order.lines_unknown = order.items.empty();
  order.placed_at = paid_at(draft);
  add_text("BillingReason", invoice["billing_reason"].text(), order.properties);
  add_text("InvoiceNumber", invoice["number"].text(), order.properties);
  add_text("SubscriptionId", subscription, order.properties);
  order.properties.push_back({"Recurring", !subscription.empty()});
  order.customer = payer_of(draft, order.unique_id);
  draft.add_event(report_of(invoice), OrderPlaced(std::move(order)));
}

struct Period {
  bool is_subscriptions = false;
  WallTime end{};
  WallTime start{};

  friend auto operator<=>(const Period&, const Period&) = default;
};

// The period that the invoice pays for. Its own `period` is the one before; lines for a change or
// for usage are about the past, too, and a line for something sold once may have an empty period.
std::optional<Period> paid_period(Node invoice) {
  const Node lines = invoice["lines"]["data"];
  std::optional<Period> best;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Node line = lines.at(i);
    const auto start = line["period"]["start"].time();
    const auto end = line["period"]["end"].time();
    if (is_proration(line) || !start || !end || *start >= *end) continue;
    best = std::max(best, std::optional(Period{is_subscription_line(line), *end, *start}));
  }
  return best;
}

// The first payment of a subscription, such as that at the end of a trial, is no renewal, though
// Stripe's billing reason is the same.
bool is_first_payment(const Draft& draft, std::string_view subscription) {
  const auto period = paid_period(draft.object());
  const auto trial_end = draft.find_fact(draft.key("trial", subscription));
  if (!period || !trial_end) return false;
  const auto is_until = [&](const std::string& second) {
    return period->start <=
           WallTime(std::chrono::seconds(std::strtoll(second.c_str(), nullptr, 10)));
  };
  if (const auto started = draft.find_decision(draft.key("started", subscription))) {
    return is_until(*started);
  }
  return is_until(*trial_end) || draft.has_fact("fresh", subscription);
}

void renew(Draft& draft, const klaviyo::Currency& currency, klaviyo::MinorUnits paid) {
  const Node invoice = draft.object();
  klaviyo::Subscription subscription;
  subscription.subscription_id = subscription_of(invoice);
  if (subscription.subscription_id.empty()) return;
  if (is_first_payment(draft, subscription.subscription_id)) return;
  subscription.unique_id = draft.unique_id(draft.need_id(), "renewed");
  subscription.price.currency = currency;
  subscription.occurred_at = paid_at(draft);
  subscription.customer = payer_of(draft, subscription.unique_id);
  klaviyo::Renewal renewal;
  renewal.amount = paid;
  renewal.total = draft.need_amount("total", currency);
  if (const auto period = paid_period(invoice)) {
    renewal.period_start = period->start;
    renewal.period_end = period->end;
  }
  renewal.recovered = invoice["attempt_count"].integer().value_or(1) > 1;
  draft.add_event(Report::kSubscriptions,
                  klaviyo::subscription_renewed(std::move(subscription), renewal));
}

void pay(Draft& draft) {
  const Node invoice = draft.object();
  const auto currency = draft.need_currency();
  const auto paid = draft.need_amount("amount_paid", currency);
  if (paid.count > 0) place_order(draft, currency);
  const bool is_renewal = invoice["billing_reason"].text() == kRenewal;
  if (is_renewal && invoice["total"].integer().value_or(0) > 0) renew(draft, currency, paid);
}

klaviyo::PaymentAttempt attempt_of(Draft& draft, std::string unique_id) {
  const auto currency = draft.need_currency();
  klaviyo::PaymentAttempt payment;
  payment.payment_id = draft.need_id();
  payment.unique_id = std::move(unique_id);
  payment.subscription_id = subscription_of(draft.object());
  payment.amount = {draft.need_amount("amount_due", currency).count, currency};
  payment.occurred_at = draft.created();
  payment.customer = payer_of(draft, payment.unique_id);
  return payment;
}

// Stripe does not retry an invoice that it sends by mail: there is no last attempt.
bool is_charged(Node invoice) {
  const auto method = first_of(invoice["collection_method"].text(), invoice["billing"].text());
  return method != "send_invoice";
}

void fail_payment(Draft& draft) {
  const Node invoice = draft.object();
  const std::int64_t count = invoice["attempt_count"].integer().value_or(0);
  auto payment =
      attempt_of(draft, draft.unique_id(draft.need_id(), "failed", std::to_string(count)));
  if (count > 0) payment.attempt = count;
  payment.next_attempt = invoice["next_payment_attempt"].time();
  payment.final_attempt = invoice["next_payment_attempt"].is_absent() && is_charged(invoice);
  payment.billing_reason = invoice["billing_reason"].text();
  draft.add_event(report_of(invoice), klaviyo::payment_failed(std::move(payment)));
}

// The address on an invoice is the customer's at the time when it was finalized.
void record_email(Draft& draft) {
  const Node invoice = draft.object();
  draft.record_email(
      invoice["customer_email"].text(),
      invoice["status_transitions"]["finalized_at"].time().value_or(draft.created()));
}

// The payments of an invoice. Bodies since 2025-03-31 have the list on request only.
void record_payments(Draft& draft) {
  const Node invoice = draft.object();
  const auto id = invoice["id"].text();
  draft.record_payment(invoice["payment_intent"].id(), id);
  draft.record_payment(invoice["charge"].id(), id);
  const Node payments = invoice["payments"]["data"];
  for (std::size_t i = 0; i < payments.size(); ++i) {
    draft.record_payment(payments.at(i)["payment"]["payment_intent"].id(), id);
  }
}

}  // namespace

void map_invoice(std::string_view what, Draft& draft) {
  record_email(draft);
  record_payments(draft);
  if (what == "paid" || what == "payment_succeeded") return pay(draft);
  if (what == "payment_failed") return fail_payment(draft);
  if (what == "payment_action_required") {
    draft.add_event(report_of(draft.object()),
                    klaviyo::payment_action_required(
                        attempt_of(draft, draft.unique_id(draft.need_id(), "action"))));
  }
}

void map_invoice_payment(std::string_view what, Draft& draft) {
  if (what != "paid") return;
  const Node payment = draft.object()["payment"];
  const auto invoice = draft.object()["invoice"].id();
  draft.record_payment(payment["payment_intent"].id(), invoice);
  draft.record_payment(payment["charge"].id(), invoice);
}

}  // namespace stripe

#include <cstdlib>
#include <stripe/give_back.hpp>
#include <utility>

namespace stripe {
namespace {

constexpr std::string_view kWhole = " whole";

// Whether `source` leaves nothing of the order. The list has the sources in the order in which they
// were decided, each with the money that it covers and whether it was the last: a source that is
// reported again finds its own entry, so that one source of an order is the last, always the same.
bool is_the_last(Draft& draft, const OrderKey& order, const GivenBack& back) {
  const std::string list = "whole:" + order.unique_id;
  std::int64_t sum = back.covers;
  bool is_first = true;
  bool was_whole = false;
  const auto placed = draft.find_placed(order);
  const bool is_known = placed && placed->currency == back.currency;
  for (std::size_t place = 1;; ++place) {
    const std::string value = draft.decide(list + ":" + std::to_string(place), [&] {
      const bool is_whole = !was_whole && (is_known ? sum >= placed->count : is_first);
      return back.source + " " + std::to_string(back.covers) + std::string(is_whole ? kWhole : "");
    });
    const bool is_whole = value.ends_with(kWhole);
    if (value.starts_with(back.source + " ")) return is_whole;
    was_whole = was_whole || is_whole;
    is_first = false;
    sum += std::strtoll(value.c_str() + value.find(' '), nullptr, 10);
  }
}

// The sum of the bank's own movements of one sign in the dispute's currency; otherwise the disputed
// amount.
std::int64_t moved(const Draft& draft, bool is_taken) {
  const Node dispute = draft.object();
  const Node all = dispute["balance_transactions"];
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto amount = all.at(i)["amount"].integer().value_or(0);
    if (all.at(i)["currency"].text() != dispute["currency"].text()) continue;
    if ((amount < 0) == is_taken) sum += is_taken ? -amount : amount;
  }
  const auto disputed = dispute["amount"].need_integer(Draft::path("amount"));
  return sum > 0 && sum < disputed ? sum : disputed;
}

bool has_taken(Node dispute) {
  const Node all = dispute["balance_transactions"];
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all.at(i)["amount"].integer().value_or(0) < 0) return true;
  }
  return false;
}

struct Subject {
  OrderKey key;
  klaviyo::Order order;
};

// The order that the object's charge has paid, with the order's profile.
Subject subject_of(Draft& draft, const std::string& kind, std::string_view email) {
  const Node object = draft.object();
  const auto id = draft.need_id();
  const auto charge = object["charge"].id();
  const auto order_id = draft.decide(draft.key(kind, id), [&] {
    return draft.order_of({object["payment_intent"].id(), charge, id});
  });
  Subject subject{draft.order_key(order_id), {}};
  klaviyo::Order& order = subject.order;
  order.order_id = subject.key.id;
  order.unique_id = subject.key.unique_id;
  order.currency = draft.need_currency();
  order.lines_unknown = true;
  if (!charge.empty()) order.properties.push_back({"ChargeId", std::string(charge)});
  order.customer = draft.profile({email, draft.customer(), order.order_id}, order.unique_id);
  return subject;
}

void withdraw(Draft& draft) {
  const Node dispute = draft.object();
  auto [key, order] =
      subject_of(draft, "disputed", dispute["evidence"]["customer_email_address"].text());
  const std::int64_t count = moved(draft, true);
  if (draft.reports(Report::kDisputes)) draft.record_fact("dispute", draft.need_id());
  GivenBack back;
  back.source = draft.need_id();
  back.currency = dispute["currency"].text();
  back.covers = count;
  back.refund.amount = back.refund.total_refunded = need_units(count, order.currency, "amount");
  back.refund.reason = "dispute";
  if (const auto reason = dispute["reason"].text(); !reason.empty()) {
    back.refund.reason.append(": ").append(reason);
  }
  back.refund.refunded_at = draft.created();
  back.refund.unique_id = draft.unique_id(draft.need_id(), "withdrawn");
  give_back(draft, Report::kDisputes, std::move(order), std::move(back));
}

// Money comes back only if it was taken.
void reinstate(Draft& draft) {
  const auto id = draft.need_id();
  if (!draft.has_fact("dispute", id)) return draft.await_fact("dispute", id);
  auto [key, order] =
      subject_of(draft, "disputed", draft.object()["evidence"]["customer_email_address"].text());
  order.unique_id = draft.unique_id(id, "reinstated");
  const auto amount = need_units(moved(draft, false), order.currency, "amount");
  take_again(draft, Report::kDisputes, std::move(order), amount, "dispute won");
}

}  // namespace

klaviyo::MinorUnits need_units(std::int64_t count, const klaviyo::Currency& currency,
                               std::string_view name) {
  const auto units = count >= 0 ? minor_units(count, currency) : std::nullopt;
  if (units) return *units;
  throw BadBody(Draft::path(name),
                "an amount that " + std::string(currency.code()) + " can express");
}

void give_back(Draft& draft, Report report, klaviyo::Order order, GivenBack back) {
  const OrderKey key{order.order_id, order.unique_id};
  if (back.covers > 0 && is_the_last(draft, key, back)) {
    return draft.add_event(report,
                           klaviyo::order_refunded(std::move(order), std::move(back.refund)));
  }
  draft.add_event(report,
                  klaviyo::order_partially_refunded(std::move(order), std::move(back.refund)));
}

void take_again(Draft& draft, Report report, klaviyo::Order order, klaviyo::MinorUnits amount,
                std::string_view why) {
  order.total = amount;
  order.placed_at = draft.created();
  order.properties.push_back({"MoneyReturned", std::string(why)});
  draft.add_event(report, OrderPlaced(std::move(order)));
}

// Money moves at most twice: the bank takes it, at once or when the dispute is lost, and gives it
// back when the shop has won. An inquiry moves none.
void map_dispute(std::string_view what, Draft& draft) {
  const Node dispute = draft.object();
  const auto status = dispute["status"].text();
  if (what == "funds_withdrawn") return withdraw(draft);
  if (what == "created" && has_taken(dispute)) return withdraw(draft);
  if (what == "closed" && status == "lost") return withdraw(draft);
  if (what == "funds_reinstated" || (what == "closed" && status == "won")) reinstate(draft);
}

// A refund has failed: the money is the shop's again.
void map_refund(std::string_view /*what*/, Draft& draft) {
  const Node refund = draft.object();
  const auto status = refund["status"].text();
  if (status != "failed" && status != "canceled") return;
  const std::string charge(refund["charge"].need_id(Draft::path("charge")));
  if (!draft.has_fact("refunded", charge)) return draft.await_fact("refunded", charge);
  (void)draft.position_in(draft.key("failed", charge), std::string(draft.need_id()));
  auto [key, order] = subject_of(draft, "failure", {});
  order.unique_id = draft.unique_id(draft.need_id(), "failed");
  take_again(draft, Report::kRefunds, std::move(order), draft.need_amount("amount", order.currency),
             "refund failed");
}

}  // namespace stripe

#include <algorithm>
#include <stripe/money.hpp>
#include <stripe/plan.hpp>
#include <utility>

namespace stripe {
namespace {

std::int64_t at_least_one(std::optional<std::int64_t> count) {
  return std::max<std::int64_t>(1, count.value_or(1));
}

// Zero is a quantity, too; a price that depends on use has none.
std::int64_t quantity_of(std::optional<std::int64_t> count) {
  return std::max<std::int64_t>(0, count.value_or(1));
}

// The decimals are exact; the integer is null for fractions of a cent, and is all that old bodies
// have.
std::optional<klaviyo::Decimal> amount_of(Node price, const char* whole, const char* decimal) {
  const Node digits = price[decimal];
  if (const auto amount = parse_amount(digits.text())) return amount;
  const auto count = digits.integer() ? digits.integer() : price[whole].integer();
  if (!count || *count < 0) return std::nullopt;
  return klaviyo::Decimal{*count, 0};
}

void read_packages(Node transform, PlanItem& item) {
  if (!transform.is_object()) return;
  item.package = at_least_one(transform["divide_by"].integer());
  item.rounds_up = transform["round"].text() == "up";
}

// The item in a `plan`, the only description before 2019. It may be the changed part of one.
void read_plan(Node plan, PlanItem& item) {
  const auto take = [&](const char* name, std::string_view& target) {
    if (const auto id = plan[name].id(); !id.empty()) target = id;
  };
  take("id", item.price_id);
  take("product", item.product_id);
  take("currency", item.currency);
  take("interval", item.interval);
  if (plan.has("amount") || plan.has("amount_decimal")) {
    item.amount = amount_of(plan, "amount", "amount_decimal");
  }
  if (plan.has("interval_count"))
    item.interval_count = at_least_one(plan["interval_count"].integer());
  if (plan.has("usage_type")) item.is_metered = plan["usage_type"].text() == "metered";
  read_packages(plan["transform_usage"], item);
}

// `currency` is the subscription's. A price has its own currency, and options for payers in others.
void read_price(Node price, std::string_view currency, PlanItem& item) {
  item.price_id = price["id"].text();
  item.product_id = price["product"].id();
  item.currency = price["currency"].text();
  item.interval = price["recurring"]["interval"].text();
  item.interval_count = at_least_one(price["recurring"]["interval_count"].integer());
  item.is_metered = price["recurring"]["usage_type"].text() == "metered";
  read_packages(price["transform_quantity"], item);
  const Node option = price["currency_options"][currency];
  const bool is_base = currency.empty() || item.currency.empty() || item.currency == currency;
  item.amount = option.is_object() ? amount_of(option, "unit_amount", "unit_amount_decimal")
                : is_base          ? amount_of(price, "unit_amount", "unit_amount_decimal")
                                   : std::nullopt;
  if (!is_base) item.currency = currency;
}

PlanItem item_of(Node node, std::string_view currency) {
  PlanItem item;
  read_plan(node["plan"], item);
  const Node price = node["price"];
  if (const auto id = price.text(); !id.empty()) item.price_id = id;
  if (price.is_object()) read_price(price, currency, item);
  if (item.currency.empty()) item.currency = currency;
  item.quantity = quantity_of(node["quantity"].integer());
  return item;
}

Plan items_of(Node items, std::string_view currency) {
  Plan plan;
  const Node list = items["data"];
  for (std::size_t i = 0; i < list.size(); ++i) plan.push_back(item_of(list.at(i), currency));
  return plan;
}

std::vector<std::pair<std::string_view, std::int64_t>> contents(const Plan& plan) {
  std::vector<std::pair<std::string_view, std::int64_t>> all;
  for (const PlanItem& item : plan) all.emplace_back(item.price_id, item.quantity);
  std::ranges::sort(all);
  return all;
}

// The items of `plan` that are not in `other` with the same quantity.
Plan without(const Plan& other, const Plan& plan) {
  auto rest = contents(other);
  Plan different;
  for (const PlanItem& item : plan) {
    const auto same = std::ranges::find(rest, std::pair(item.price_id, item.quantity));
    if (same == rest.end()) {
      different.push_back(item);
    } else {
      rest.erase(same);
    }
  }
  return different;
}

// A year is twelve months, a week seven days.
std::pair<std::string_view, std::int64_t> period_of(const PlanItem& item) {
  constexpr std::int64_t kMost = 1'000;  // Stripe's own limit is three years
  const std::int64_t count = std::min(item.interval_count, kMost);
  if (item.interval == "year") return {"month", count * 12};
  if (item.interval == "week") return {"day", count * 7};
  return {item.interval, count};
}

bool is_comparable(const PlanItem& a, const PlanItem& b) {
  return a.amount && b.amount && !a.is_metered && !b.is_metered && a.currency == b.currency &&
         period_of(a) == period_of(b);
}

std::int64_t packages_of(const PlanItem& item) {
  const bool is_started = item.quantity % item.package != 0;
  return item.quantity / item.package + (is_started && item.rounds_up ? 1 : 0);
}

__extension__ using Wide = __int128;

// In billionths of a thousandth of Stripe's minor unit; nothing on overflow.
std::optional<Wide> cost_of(const Plan& plan) {
  constexpr int kDigits = 12;
  Wide sum = 0;
  for (const PlanItem& item : plan) {
    Wide row = item.amount->scaled;
    for (int i = item.amount->digits; i < kDigits; ++i) row *= 10;
    if (__builtin_mul_overflow(row, Wide{packages_of(item)}, &row) ||
        __builtin_add_overflow(sum, row, &sum)) {
      return std::nullopt;
    }
  }
  return sum;
}

}  // namespace

Plan plan_of(Node subscription) {
  const auto currency = subscription["currency"].text();
  Plan plan = items_of(subscription["items"], currency);
  if (plan.empty() && subscription["plan"].is_object()) {
    plan.push_back(item_of(subscription, currency));
  }
  return plan;
}

std::optional<Plan> plan_before(Node previous, const Plan& now, std::string_view currency) {
  Plan before = items_of(previous["items"], currency);
  if (!before.empty()) return before;
  const bool says_plan = previous["plan"].is_object();
  const auto quantity = previous["quantity"].integer();
  if (now.size() != 1 || (!says_plan && !quantity)) return std::nullopt;
  before = now;
  read_plan(previous["plan"], before.front());
  if (quantity) before.front().quantity = quantity_of(quantity);
  return before;
}

bool is_same(const Plan& a, const Plan& b) { return contents(a) == contents(b); }

int compare_cost(const Plan& before, const Plan& now) {
  const Plan gone = without(now, before);
  const Plan added = without(before, now);
  if (gone.empty() && added.empty()) return 0;
  const PlanItem& any = added.empty() ? gone.front() : added.front();
  const auto is_like_it = [&](const PlanItem& item) { return is_comparable(item, any); };
  if (!std::ranges::all_of(gone, is_like_it) || !std::ranges::all_of(added, is_like_it)) return 0;
  const auto cost_before = cost_of(gone);
  const auto cost_now = cost_of(added);
  if (!cost_before || !cost_now) return 0;
  return (*cost_now > *cost_before) - (*cost_now < *cost_before);
}

}  // namespace stripe

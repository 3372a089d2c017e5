#include <algorithm>
#include <stripe/plan.hpp>
#include <utility>

namespace stripe {
namespace {

std::int64_t at_least_one(std::optional<std::int64_t> count) {
  return std::max<std::int64_t>(1, count.value_or(1));
}

// None at all is a quantity, too; a price that depends on use has none.
std::int64_t quantity_of(std::optional<std::int64_t> count) {
  return std::max<std::int64_t>(0, count.value_or(1));
}

// What a `plan` says, the only description until 2019. It may be the changed part of one.
void read_plan(Node plan, PlanItem& item) {
  const auto take = [&](const char* name, std::string_view& target) {
    if (const auto id = plan[name].id(); !id.empty()) target = id;
  };
  take("id", item.price_id);
  take("product", item.product_id);
  take("currency", item.currency);
  take("interval", item.interval);
  if (plan.has("amount")) item.amount = plan["amount"].integer();
  if (plan.has("interval_count"))
    item.interval_count = at_least_one(plan["interval_count"].integer());
}

PlanItem item_of(Node node) {
  PlanItem item;
  read_plan(node["plan"], item);
  const Node price = node["price"];
  if (const auto id = price.text(); !id.empty()) item.price_id = id;
  if (price.is_object()) {
    item.price_id = price["id"].text();
    item.product_id = price["product"].id();
    item.currency = price["currency"].text();
    item.interval = price["recurring"]["interval"].text();
    item.interval_count = at_least_one(price["recurring"]["interval_count"].integer());
    item.amount = price["unit_amount"].integer();
  }
  item.quantity = quantity_of(node["quantity"].integer());
  return item;
}

Plan items_of(Node items) {
  Plan plan;
  const Node list = items["data"];
  for (std::size_t i = 0; i < list.size(); ++i) plan.push_back(item_of(list.at(i)));
  return plan;
}

std::vector<std::pair<std::string_view, std::int64_t>> contents(const Plan& plan) {
  std::vector<std::pair<std::string_view, std::int64_t>> all;
  for (const PlanItem& item : plan) all.emplace_back(item.price_id, item.quantity);
  std::ranges::sort(all);
  return all;
}

bool is_comparable(const PlanItem& a, const PlanItem& b) {
  return a.amount && b.amount && a.currency == b.currency && a.interval == b.interval &&
         a.interval_count == b.interval_count;
}

// Nothing on overflow.
std::optional<std::int64_t> cost_of(const Plan& plan) {
  std::int64_t sum = 0;
  for (const PlanItem& item : plan) {
    std::int64_t row = 0;
    if (__builtin_mul_overflow(item.amount.value_or(0), item.quantity, &row) ||
        __builtin_add_overflow(sum, row, &sum)) {
      return std::nullopt;
    }
  }
  return sum;
}

}  // namespace

Plan plan_of(Node subscription) {
  Plan plan = items_of(subscription["items"]);
  if (plan.empty() && subscription["plan"].is_object()) plan.push_back(item_of(subscription));
  for (PlanItem& item : plan) {
    if (item.currency.empty()) item.currency = subscription["currency"].text();
  }
  return plan;
}

std::optional<Plan> plan_before(Node previous, const Plan& now) {
  Plan before = items_of(previous["items"]);
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
  if (before.empty() || now.empty()) return 0;
  const auto is_like_first = [&](const PlanItem& item) { return is_comparable(item, now.front()); };
  if (!std::ranges::all_of(before, is_like_first) || !std::ranges::all_of(now, is_like_first)) {
    return 0;
  }
  const auto cost_before = cost_of(before);
  const auto cost_now = cost_of(now);
  if (!cost_before || !cost_now) return 0;
  return (*cost_now > *cost_before) - (*cost_now < *cost_before);
}

}  // namespace stripe

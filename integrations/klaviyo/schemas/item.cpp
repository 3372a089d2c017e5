#include <algorithm>
#include <klaviyo/schemas/item_fields.hpp>
#include <unordered_set>

namespace klaviyo {
namespace {

// Short lists are searched, long ones hashed: most orders have a handful of lines, and an order of
// thousands must not take a quadratic time.
class Distinct {
 public:
  explicit Distinct(std::vector<std::string_view>& list) : list_(list) { list_.clear(); }

  void add(std::string_view value) {
    if (value.empty() || cut_ || !is_new(value)) return;
    cut_ = list_.size() == postbox::kMaxArrayItems;
    if (!cut_) list_.push_back(value);
  }

  // Whether one was left out.
  [[nodiscard]] bool is_cut() const noexcept { return cut_; }

 private:
  static constexpr std::size_t kSearched = 32;

  bool is_new(std::string_view value) {
    if (list_.size() < kSearched)
      return std::find(list_.begin(), list_.end(), value) == list_.end();
    if (seen_.empty()) seen_.insert(list_.begin(), list_.end());
    return seen_.insert(value).second;
  }

  std::vector<std::string_view>& list_;
  std::unordered_set<std::string_view> seen_;
  bool cut_ = false;
};

}  // namespace

std::optional<MinorUnits> row_total(const OrderItem& item) noexcept {
  return item.row_total ? item.row_total : checked_multiply(item.unit_price, item.quantity);
}

std::optional<MinorUnits> items_total(const std::vector<OrderItem>& items) noexcept {
  std::optional<MinorUnits> sum = MinorUnits{};
  for (const OrderItem& item : items) {
    const auto row = row_total(item);
    sum = row ? checked_add(*sum, *row) : std::nullopt;
    if (!sum) return std::nullopt;
  }
  return sum;
}

void FlatLists::assign(const std::vector<OrderItem>& items) {
  Distinct distinct_categories(categories);
  Distinct distinct_names(names);
  Distinct distinct_brands(brands);
  for (const OrderItem& item : items) {
    for (const std::string& category : item.categories) distinct_categories.add(category);
    distinct_names.add(item.name);
    distinct_brands.add(item.brand);
  }
  categories_cut = distinct_categories.is_cut();
}

void validate_rows(const std::vector<OrderItem>& items, const postbox::Path& path,
                   std::vector<postbox::Violation>& violations) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].row_total) {
      postbox::validate(items[i].row_total->count, path.item(i).child("row_total"), {.minimum = 0},
                        violations);
    }
    if (row_total(items[i])) continue;
    violations.push_back({path.item(i).child("unit_price").to_string(),
                          "times the quantity must fit in 64 bits, found " +
                              std::to_string(items[i].unit_price.count) + " times " +
                              std::to_string(items[i].quantity)});
  }
}

std::size_t json_size_hint(const std::vector<OrderItem>& items) noexcept {
  constexpr std::size_t kNamesOfOneLine = 200;
  std::size_t size = 0;
  for (const OrderItem& item : items) {
    size += kNamesOfOneLine + item.product_id.size() + item.sku.size() + 2 * item.name.size() +
            item.url.size() + item.image_url.size() + 2 * item.brand.size() + item.price_id.size();
    for (const std::string& category : item.categories) size += 2 * (category.size() + 3);
  }
  return size;
}

}  // namespace klaviyo

#include "csv_columns.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>
#include <postbox/rfc3339.hpp>
#include <postbox/schema.hpp>
#include <span>
#include <utility>

namespace postbox::cli {
namespace {

using nlohmann::json;

struct Member {
  std::string_view path;
  CellKind kind = CellKind::kText;
};

constexpr std::array kOrder{Member{"order_id"},
                            Member{"cart_id"},
                            Member{"placed_at", CellKind::kTime},
                            Member{"currency"},
                            Member{"items[].line_id"},
                            Member{"items[].product_id"},
                            Member{"items[].sku"},
                            Member{"items[].name"},
                            Member{"items[].quantity", CellKind::kInteger},
                            Member{"items[].unit_price", CellKind::kAmount},
                            Member{"items[].row_total", CellKind::kAmount},
                            Member{"items[].url"},
                            Member{"items[].image_url"},
                            Member{"items[].categories", CellKind::kTexts},
                            Member{"items[].brand"},
                            Member{"items[].price_id"},
                            Member{"items[].proration", CellKind::kBoolean},
                            Member{"lines_unknown", CellKind::kBoolean},
                            Member{"discount.code"},
                            Member{"discount.amount", CellKind::kAmount},
                            Member{"shipping", CellKind::kAmount},
                            Member{"tax", CellKind::kAmount},
                            Member{"total", CellKind::kAmount},
                            Member{"unique_id"}};

constexpr std::array kSubscription{Member{"subscription_id"},
                                   Member{"plan_id"},
                                   Member{"plan_name"},
                                   Member{"product_id"},
                                   Member{"currency"},
                                   Member{"amount", CellKind::kAmount},
                                   Member{"exact_price", CellKind::kDecimal},
                                   Member{"metered", CellKind::kBoolean},
                                   Member{"interval"},
                                   Member{"interval_count", CellKind::kInteger},
                                   Member{"quantity", CellKind::kInteger},
                                   Member{"status"},
                                   Member{"started_at", CellKind::kTime},
                                   Member{"current_period_end", CellKind::kTime},
                                   Member{"trial_end", CellKind::kTime},
                                   Member{"occurred_at", CellKind::kTime},
                                   Member{"cart_id"},
                                   Member{"user_id"},
                                   Member{"unique_id"}};

constexpr std::array kCustomer{Member{"customer.email"},
                               Member{"customer.phone"},
                               Member{"customer.external_id"},
                               Member{"customer.anonymous_id"},
                               Member{"customer.kx"},
                               Member{"customer.first_name"},
                               Member{"customer.last_name"},
                               Member{"customer.organization"},
                               Member{"customer.title"},
                               Member{"customer.image"},
                               Member{"customer.locale"},
                               Member{"customer.location.address1"},
                               Member{"customer.location.address2"},
                               Member{"customer.location.city"},
                               Member{"customer.location.region"},
                               Member{"customer.location.zip"},
                               Member{"customer.location.country"},
                               Member{"customer.location.timezone"}};

constexpr std::array<std::string_view, 2> kAddresses{"billing_address.", "shipping_address."};
constexpr std::array<std::string_view, 8> kOfAddress{
    "first_name", "last_name", "address1", "city", "region_code", "country_code", "zip", "phone"};

// The shop's own.
constexpr std::array<std::string_view, 2> kProperties{"properties.", "customer.properties."};

constexpr std::string_view kLines = "items[].";

bool is_of_address(std::string_view path) {
  return std::ranges::any_of(kAddresses, [path](std::string_view address) {
    return path.starts_with(address) &&
           std::ranges::find(kOfAddress, path.substr(address.size())) != kOfAddress.end();
  });
}

bool is_property(std::string_view path) {
  return std::ranges::any_of(kProperties, [path](std::string_view properties) {
    return path.starts_with(properties) && path.size() > properties.size();
  });
}

std::string every_path(const std::string& type, std::span<const Member> own) {
  std::string text;
  for (const Member& member : own) text += std::string(member.path) + ", ";
  for (const Member& member : kCustomer) text += std::string(member.path) + ", ";
  for (std::size_t i = 0; type == "order" && i < kAddresses.size(); ++i) {
    text += std::string(kAddresses.at(i)) + "city and its like, ";
  }
  return text + "properties.NAME, customer.properties.NAME";
}

Error broken(const std::string& rule) { return {ErrorCode::kInvalidArgument, rule}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number as "-12.50" or "-12,50", without more of its digits than there are.
struct Number {
  bool is_negative = false;
  std::string_view whole;
  std::string_view fraction;
};

std::optional<Number> number_of(std::string_view cell) {
  Number number;
  if (cell.starts_with('-')) {
    number.is_negative = true;
    cell.remove_prefix(1);
  }
  const std::size_t point = std::min(cell.find_first_of(".,"), cell.size());
  number.whole = cell.substr(0, point);
  if (point < cell.size()) number.fraction = cell.substr(point + 1);
  const bool has_point_alone = point < cell.size() && number.fraction.empty();
  if (number.whole.empty() || has_point_alone || !std::ranges::all_of(number.whole, is_digit) ||
      !std::ranges::all_of(number.fraction, is_digit)) {
    return std::nullopt;
  }
  return number;
}

Result<json> integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed == std::errc{} && end == text.data() + text.size()) return json(value);
  return broken("must be an integer of at most 64 bits");
}

// "1.234" may be a thousand to whoever wrote it. It is taken for neither.
Result<json> amount_of(std::string_view cell, int exponent) {
  if (exponent < 0) return broken("is an amount of a currency that is not known");
  const auto number = number_of(cell);
  const auto digits = static_cast<std::size_t>(exponent);
  constexpr std::size_t kThousands = 3;
  const bool is_doubtful = number && number->fraction.size() == kThousands && digits < kThousands;
  const bool is_exact =
      number &&
      number->fraction.substr(std::min(digits, number->fraction.size())).find_first_not_of('0') ==
          std::string_view::npos;
  if (!is_exact || is_doubtful) {
    return broken("must be an amount such as " + std::string(exponent == 0 ? "1250" : "12.50") +
                  ", without a sign of its currency or of thousands");
  }
  std::string minor = number->is_negative ? "-" : "";
  minor += number->whole;
  minor += number->fraction.substr(0, digits);
  minor.append(digits - std::min(digits, number->fraction.size()), '0');
  return integer_of(minor);
}

Result<json> decimal_of(std::string_view cell) {
  const auto number = number_of(cell);
  if (!number) return broken("must be a number such as 0.0075");
  std::string text = number->is_negative ? "-" : "";
  text += number->whole;
  if (!number->fraction.empty()) text += '.' + std::string(number->fraction);
  auto value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return broken("must be a number such as 0.0075");
  return value;
}

Result<json> boolean_of(std::string_view cell) {
  std::string small(cell);
  std::ranges::transform(small, small.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (small == "true" || small == "yes" || small == "1") return json(true);
  if (small == "false" || small == "no" || small == "0") return json(false);
  return broken("must be true or false");
}

json texts_of(std::string_view cell) {
  json texts = json::array();
  while (!cell.empty()) {
    const std::size_t end = std::min(cell.find('|'), cell.size());
    if (end > 0) texts.push_back(cell.substr(0, end));
    cell.remove_prefix(std::min(end + 1, cell.size()));
  }
  return texts;
}

// "2026-11-22 10:00:00 +0100" and its like as RFC 3339 has it.
std::string like_rfc3339(std::string_view cell, const std::string& utc_offset) {
  constexpr std::size_t kDate = 10;
  constexpr std::size_t kWithMinutes = 16;
  std::string text(cell);
  if (text.size() == kDate) text += "T00:00:00";
  if (text.size() > kDate && text[kDate] == ' ') text[kDate] = 'T';
  std::erase(text, ' ');
  if (text.ends_with("UTC") || text.ends_with("GMT")) text.replace(text.size() - 3, 3, "Z");
  const std::size_t sign = text.find_first_of("+-Z", kDate);
  std::string zone = sign == std::string::npos ? utc_offset : text.substr(sign);
  text.erase(std::min(sign, text.size()));
  if (text.size() == kWithMinutes) text += ":00";
  constexpr std::size_t kWithoutColon = 5;
  if (zone.size() == kWithoutColon) zone.insert(3, ":");
  return text + zone;
}

// Empty unless `format` is all of `cell`.
std::string formatted_time(const std::string& format, const std::string& cell,
                           const std::string& utc_offset) {
  std::tm parts{};
  const char* end = ::strptime(cell.c_str(), format.c_str(), &parts);
  if (end == nullptr || *end != '\0') return {};
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (format.find("%z") == std::string::npos) return text.data() + utc_offset;
  const long minutes = parts.tm_gmtoff / 60;
  std::array<char, 8> zone{};
  (void)std::snprintf(zone.data(), zone.size(), "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
                      std::abs(minutes) / 60 % 24, std::abs(minutes) % 60);
  return std::string(text.data()) + zone.data();
}

}  // namespace

Result<CsvColumn> csv_column(const std::string& type, const std::string& path) {
  const std::span<const Member> own =
      type == "order" ? std::span<const Member>(kOrder) : std::span<const Member>(kSubscription);
  for (const std::span<const Member> members : {own, std::span<const Member>(kCustomer)}) {
    const auto found = std::ranges::find(members, path, &Member::path);
    if (found != members.end()) return CsvColumn{path, found->kind, path.starts_with(kLines)};
  }
  if (is_property(path) || (type == "order" && is_of_address(path))) return CsvColumn{.path = path};
  return broken("'" + path + "' is no member of the " + type +
                "; there are: " + every_path(type, own));
}

Result<json> CellReader::read(CellKind kind, std::string_view cell) const {
  switch (kind) {
    case CellKind::kText:
      return json(cell);
    case CellKind::kTexts:
      return texts_of(cell);
    case CellKind::kAmount:
      return amount_of(cell, currency_exponent);
    case CellKind::kDecimal:
      return decimal_of(cell);
    case CellKind::kInteger:
      return integer_of(cell);
    case CellKind::kBoolean:
      return boolean_of(cell);
    case CellKind::kTime:
      break;
  }
  const std::string time = time_format.empty()
                               ? like_rfc3339(cell, utc_offset)
                               : formatted_time(time_format, std::string(cell), utc_offset);
  if (parse_rfc3339(time)) return json(time);
  return broken(time_format.empty()
                    ? "must be a time such as 2026-11-22T10:00:00Z; --utc-offset gives times "
                      "without a zone theirs, and --time-format reads others"
                    : "must be a time as --time-format has it, and --utc-offset must give it its "
                      "zone unless it has one");
}

void set_member(json& object, std::string_view path, json value) {
  json* place = &object;
  for (;;) {
    const std::size_t point = path.find('.');
    if (point == std::string_view::npos) break;
    const std::string name(path.substr(0, point));
    place = &(*place)[name];
    path.remove_prefix(point + 1);
    if (name == "properties") break;
  }
  (*place)[std::string(path)] = std::move(value);
}

}  // namespace postbox::cli

// CsvColumns are the members that a column may have in a CSV file, and how a cell becomes one.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>

namespace postbox::cli {

enum class CellKind : std::uint8_t {
  kText,
  kTexts,    // separated by '|'
  kAmount,   // "12.50" or "12,50", in the currency's unit
  kDecimal,  // "0.0075"
  kInteger,
  kBoolean,  // "true", "yes", "1" and their opposites
  kTime,
};

// A member of an order or a subscription by its path in docs/json.md: "customer.email",
// "items[].unit_price", "properties.gift".
struct CsvColumn {
  std::string path;
  CellKind kind = CellKind::kText;
  bool is_of_line = false;  // of "items[]": each row has one
};

// The column of that path. The error says which there are.
[[nodiscard]] Result<CsvColumn> csv_column(const std::string& type, const std::string& path);

struct CellReader {
  std::string time_format{};   // as strptime() has it; RFC 3339 or nearly so unless set
  std::string utc_offset{};    // "+01:00"
  int currency_exponent = -1;  // negative while the currency is not known

  // The value of a cell that is not empty. The error is the rule that it breaks.
  [[nodiscard]] Result<nlohmann::json> read(CellKind kind, std::string_view cell) const;
};

// Puts `value` where `path` leads to, below a member "properties" by the rest of the path as it is.
void set_member(nlohmann::json& object, std::string_view path, nlohmann::json value);

}  // namespace postbox::cli

// Comparison holds a shop's events of a period beside Klaviyo's, and says where they differ.
//
// Place:     filled by `postbox report`, the shop's side first.
// Threads:   one.
// Lifetime:  an entry for each event of the period, some 160 bytes.
// Failure:   none; a sum that does not fit any more stays at the greatest number.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <klaviyo/schemas/currency.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postbox::cli {

// An amount in ten-thousandths: no currency has more than four digits.
class Amount {
 public:
  constexpr Amount() = default;

  // Reads a decimal number as JSON writes it, exactly; digits beyond the fourth are rounded.
  // Nothing for what is none, or too large.
  [[nodiscard]] static std::optional<Amount> parse(std::string_view decimal);

  // "12.50" for a currency of two digits; with all that it has, where these are more.
  [[nodiscard]] std::string to_text(const klaviyo::Currency& currency) const;

  // In the currency's smallest unit, rounded where it has more digits.
  [[nodiscard]] std::int64_t minor(const klaviyo::Currency& currency) const;

  Amount& operator+=(Amount other) noexcept;
  [[nodiscard]] Amount operator-(Amount other) const noexcept;
  friend constexpr auto operator<=>(Amount, Amount) = default;

 private:
  constexpr explicit Amount(std::int64_t count) : count_(count) {}

  std::int64_t count_ = 0;
};

// One event, as either side has it.
struct SideEvent {
  std::string metric;  // as the account calls it
  std::string id;      // its unique_id; empty: it has none
  std::chrono::sys_days day{};
  Amount value{};
  klaviyo::Currency currency{};  // none: it has no value, or does not say of what
};

struct SideTotal {
  std::uint64_t count = 0;
  Amount value{};
};

// A line of the report.
struct DayLine {
  std::chrono::sys_days day{};
  std::string metric;
  std::string currency;
  SideTotal klaviyo{};
  SideTotal shop{};

  [[nodiscard]] bool differs() const noexcept {
    return klaviyo.count != shop.count || klaviyo.value != shop.value;
  }
};

enum class DifferenceKind : std::uint8_t {
  kNotAtKlaviyo,
  kNotInFile,
  kDifferent,       // another value, currency or day
  kTwiceAtKlaviyo,  // which must not be
  kTwiceInFile,     // compared once
};

struct Difference {
  DifferenceKind kind{};
  std::string metric;
  std::string id;
  std::optional<SideEvent> klaviyo{};
  std::optional<SideEvent> shop{};
};

class Comparison {
 public:
  // Without a shop's side nothing differs but what is twice at Klaviyo.
  explicit Comparison(bool has_shop) : has_shop_(has_shop) {}

  void add_shop(const SideEvent& event);

  // An event that does not say its currency has that of the shop's, or else `otherwise`.
  void add_klaviyo(SideEvent event, const klaviyo::Currency& otherwise);

  // By day, metric and currency.
  [[nodiscard]] std::vector<DayLine> lines() const;

  // In the order of metrics and ids.
  [[nodiscard]] std::vector<Difference> differences() const;

 private:
  struct Seen {
    std::uint32_t count = 0;
    std::chrono::sys_days day{};
    Amount value{};
    klaviyo::Currency currency{};
  };
  struct Entry {
    Seen klaviyo{};
    Seen shop{};
  };

  [[nodiscard]] static SideEvent event_of(const std::string& metric, const std::string& id,
                                          const Seen& seen);
  void find_differences(const std::string& metric, const std::string& id, const Entry& entry,
                        std::vector<Difference>& found) const;
  [[nodiscard]] DayLine& line_of(const SideEvent& event);

  const bool has_shop_;
  std::map<std::string, std::unordered_map<std::string, Entry>> events_;  // by metric and id
  std::map<std::string, DayLine> lines_;  // by day, metric, currency
};

// "2026-11-27"
[[nodiscard]] std::string day_text(std::chrono::sys_days day);

// Nothing for what is no day of the calendar.
[[nodiscard]] std::optional<std::chrono::sys_days> parse_day(std::string_view text);

}  // namespace postbox::cli

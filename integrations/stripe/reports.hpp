// Reports is a set of Stripe's reports: those that become events.
//
// Place:     STRIPE_EVENTS, Config::reports; the mapping asks it for each event.
// Threads:   plain values.
// Lifetime:  plain values.
// Failure:   kInvalidConfig names what is accepted.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <postbox/result.hpp>
#include <string>
#include <string_view>

namespace stripe {

// In the order of kReportNames.
enum class Report : std::uint8_t {
  kCheckout,        // Placed Order and Payment Failed of a Checkout in payment mode
  kInvoices,        // Placed Order and failed payments of invoices without a subscription
  kSubscriptions,   // all of subscriptions, and Placed Order and failed payments of their invoices
  kRefunds,         // refunds, those that failed, and holds that were released
  kDisputes,        // money that a bank takes back, and money of a dispute that is won
  kAbandoned,       // Abandoned Checkout of a session that has expired
  kPaymentIntents,  // Placed Order of a PaymentIntent that the shop has created
};

inline constexpr std::array<std::string_view, 7> kReportNames = {
    "checkout", "invoices", "subscriptions", "refunds", "disputes", "abandoned", "payment_intents"};

class Reports {
 public:
  constexpr Reports(std::initializer_list<Report> reports) {
    for (const Report report : reports) bits_ |= bit(report);
  }

  [[nodiscard]] constexpr bool has(Report report) const noexcept {
    return (bits_ & bit(report)) != 0;
  }
  constexpr void add(Report report) noexcept { bits_ |= bit(report); }

  // Accepts "subscriptions, refunds", "all" and "none".
  [[nodiscard]] static postbox::Result<Reports> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend constexpr bool operator==(Reports, Reports) = default;

 private:
  [[nodiscard]] static constexpr std::uint32_t bit(Report report) noexcept {
    return std::uint32_t{1} << static_cast<std::uint32_t>(report);
  }

  std::uint32_t bits_ = 0;
};

// All that is reported once. PaymentIntents are not in it: each Checkout and invoice has one, too.
inline constexpr Reports kDefaultReports{Report::kCheckout,      Report::kInvoices,
                                         Report::kSubscriptions, Report::kRefunds,
                                         Report::kDisputes,      Report::kAbandoned};

}  // namespace stripe

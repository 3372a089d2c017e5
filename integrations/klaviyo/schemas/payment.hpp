// PaymentAttempt is an attempt to collect money that did not succeed; it becomes Payment Failed or
// Payment Action Required.
//
// Place:     made by a route or a webhook, handed to klaviyo::payment_failed() and its like.
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see validate_payment(): every broken rule is a violation with its path.
#pragma once

#include <array>
#include <cstdint>
#include <klaviyo/schemas/money.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <klaviyo/schemas/property.hpp>
#include <optional>
#include <postbox/schema.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// In the order of kPaymentMetrics.
enum class PaymentKind : std::uint8_t { kFailed, kActionRequired };

struct PaymentMetric {
  std::string_view name;      // at Klaviyo
  std::string_view log_name;  // in log lines
  std::string_view key;  // in the unique_id; sent ones are compared with it, so never change one
};

inline constexpr std::array<PaymentMetric, 2> kPaymentMetrics = {{
    {"Payment Failed", "payment failed", "failed"},
    {"Payment Action Required", "payment action required", "action"},
}};

[[nodiscard]] constexpr const PaymentMetric& metric_of(PaymentKind kind) noexcept {
  return kPaymentMetrics[static_cast<std::size_t>(kind)];
}

struct PaymentAttempt {
  std::string payment_id{};               // required: of the invoice, checkout or payment
  std::string subscription_id{};          // empty for a payment of another kind
  Money amount{};                         // that was to be paid; the currency is required
  std::optional<std::int64_t> attempt{};  // from one
  bool final_attempt = false;             // nothing tries again by itself
  std::optional<postbox::WallTime> next_attempt{};
  std::string billing_reason{};  // as the billing system calls it: "subscription_cycle"
  std::string failure_reason{};  // as the billing system calls it: "card_declined"
  std::optional<postbox::WallTime> occurred_at{};  // defaults to the time of track()
  std::string user_id{};
  std::string unique_id{};  // another key of the event than payment_unique_id() makes
  Profile customer{};       // required: one identifier
  std::vector<Property> properties{};
};

// The key that makes it an event of its own: <payment id>_<key of the kind>, and _<attempt> if that
// is known.
[[nodiscard]] std::string payment_unique_id(PaymentKind kind, const PaymentAttempt& payment);

}  // namespace klaviyo

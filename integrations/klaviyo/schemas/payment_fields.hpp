// The field table of the events of payments.
//
// Place:     inside the integration: validate_payment() and what writes it.
// Threads:   constants.
// Lifetime:  constants.
// Failure:   see schema.hpp.
#pragma once

#include <klaviyo/schemas/payment.hpp>
#include <postbox/schema.hpp>
#include <tuple>

namespace klaviyo {

// Append every broken rule. `now` bounds occurred_at: after 1990, at most one year ahead.
void validate_payment(const PaymentAttempt& payment, postbox::WallTime now,
                      std::vector<postbox::Violation>& violations);

}  // namespace klaviyo

// The properties. There is no value: nothing was paid.
template <>
struct postbox::Schema<klaviyo::PaymentAttempt> {
  using P = klaviyo::PaymentAttempt;
  static constexpr auto fields = std::make_tuple(
      field("PaymentId", "payment_id", &P::payment_id, {.required = true, .max_length = 225},
            "The id of the invoice, checkout or payment."),
      field("SubscriptionId", "subscription_id", &P::subscription_id, {},
            "The subscription that it was for."),
      field("Amount", "amount", &P::amount, {.minimum = 0}, "What was to be paid."),
      field(
          "Currency", "amount.currency", [](const P& p) -> auto& { return p.amount.currency; },
          {.required = true}, "Currency of the amount, ISO 4217."),
      field("AttemptCount", "attempt", &P::attempt, {.minimum = 1}, "Which attempt, from one."),
      field("FinalAttempt", "final_attempt", &P::final_attempt, {},
            "Whether nothing tries again by itself."),
      field("NextPaymentAttempt", "next_attempt", &P::next_attempt, {}, "When it is tried again."),
      field("BillingReason", "billing_reason", &P::billing_reason, {}, "What the payment is for."),
      field("FailureReason", "failure_reason", &P::failure_reason, {}, "Why it failed."),
      field("UserId", "user_id", &P::user_id, {}, "The app's id of the user."));
};

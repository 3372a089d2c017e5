#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/payment_fields.hpp>
#include <klaviyo/schemas/profile_fields.hpp>

namespace klaviyo {

std::string payment_unique_id(PaymentKind kind, const PaymentAttempt& payment) {
  if (!payment.unique_id.empty()) return payment.unique_id;
  std::string id = payment.payment_id;
  id += '_';
  id += metric_of(kind).key;
  if (payment.attempt) {
    id += '_';
    postbox::append_integer(*payment.attempt, id);
  }
  return id;
}

void validate_payment(const PaymentAttempt& payment, postbox::WallTime now,
                      std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  postbox::validate(payment, root, violations);
  validate_profile(payment.customer, root.child("customer"), violations);
  check_unique_id(payment.unique_id, root.child("unique_id"), violations);
  if (payment.occurred_at) {
    check_time(*payment.occurred_at, now, root.child("occurred_at"), violations);
  }
  validate_properties(payment.properties, postbox::count_members(payment),
                      postbox::has_field<PaymentAttempt>, violations);
}

}  // namespace klaviyo

#include "doctor_stripe.hpp"

#include "stripe_store.hpp"

namespace postbox::cli {

std::vector<Finding> stripe_store_findings(const klaviyo::Config& config) {
  const auto has_store = database_has_stripe_store(config);
  if (!has_store || !*has_store) return {};
  if (**has_store) {
    return {
        {FindingLevel::kOk, "stripe", "What webhooks tell is in the database, for all servers"}};
  }
  return {{FindingLevel::kWarning, "stripe",
           "What webhooks tell is not in the database: each server knows its own webhooks alone",
           "set stripe::Config::fact_store to what stripe::postgres_fact_store() returns, or send "
           "all webhooks to one server (docs/postgres.md)"}};
}

}  // namespace postbox::cli

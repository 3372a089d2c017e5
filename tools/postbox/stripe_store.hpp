// The store of Stripe's webhooks: a file beside the outbox, or tables of its database, encrypted
// with its keys.
#pragma once

#include <memory>
#include <optional>
#include <postbox/result.hpp>
#include <string>
#include <stripe/encrypted_fact_store.hpp>

#include "account.hpp"

namespace CLI {
class App;
}

namespace postbox::cli {

// Adds --stripe-store. `file` must live as long as `command`; it stays empty unless set.
void add_stripe_store(CLI::App& command, std::string& file);

// Null when there is no such file, or no such tables: nothing is made. `file` is the one of
// --stripe-store.
[[nodiscard]] Result<std::unique_ptr<stripe::EncryptedFactStore>> open_stripe_store(
    const Account& account, const std::string& file);

// True if the outbox's database has the tables. Nothing for an outbox in a file.
[[nodiscard]] std::optional<Result<bool>> database_has_stripe_store(const klaviyo::Config& config);

}  // namespace postbox::cli

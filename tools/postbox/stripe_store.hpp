// The store of Stripe's webhooks: a file beside the outbox, encrypted with its keys.
#pragma once

#include <memory>
#include <string>
#include <stripe/encrypted_fact_store.hpp>

#include "account.hpp"

namespace CLI {
class App;
}

namespace postbox::cli {

// Adds --stripe-store. `file` must live as long as `command`; it stays empty unless set.
void add_stripe_store(CLI::App& command, std::string& file);

// Null when there is no such file. `file` is the one of --stripe-store.
[[nodiscard]] std::unique_ptr<stripe::EncryptedFactStore> open_stripe_store(
    const Account& account, const std::string& file);

}  // namespace postbox::cli

// Account is what a command works on: the settings and the outbox of one server, which may be
// running.
#pragma once

#include <klaviyo/config.hpp>
#include <postbox/operator.hpp>
#include <string>

#include "account_options.hpp"

namespace postbox::cli {

struct Account {
  klaviyo::Config config;
  Operator outbox;
};

// Fails with what read_config() says, and where there is no outbox: a command makes none, which
// would be its user's and not the server's.
[[nodiscard]] Result<Account> open_account(const AccountOptions& options);

// The same for what sends: fails without a key, too.
[[nodiscard]] Result<Account> open_account_with_key(const AccountOptions& options);

// "purchase"; "purchase history" for its backfills; "queue 8" for a family that nobody named.
[[nodiscard]] std::string name_of(QueueId queue, const klaviyo::Config& config);

}  // namespace postbox::cli

#include "stripe_store.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <stripe/fact_store.hpp>
#include <system_error>
#ifdef POSTBOX_WITH_POSTGRES
#include <postbox/postgres_backend.hpp>
#include <stripe_postgres/fact_store.hpp>
#endif

namespace postbox::cli {
namespace {

using Opened = Result<std::unique_ptr<stripe::EncryptedFactStore>>;

std::unique_ptr<stripe::EncryptedFactStore> with_keys(std::shared_ptr<stripe::FactStore> store,
                                                      const Account& account) {
  return std::make_unique<stripe::EncryptedFactStore>(std::move(store),
                                                      account.config.engine.outbox.encryption_keys);
}

#ifdef POSTBOX_WITH_POSTGRES
Opened open_in_database(const Account& account) {
  const auto has_store = database_has_stripe_store(account.config);
  if (!has_store) return Opened(nullptr);
  if (!*has_store) return has_store->error();
  if (!**has_store) return Opened(nullptr);
  auto store = stripe::postgres_fact_store(account.config.engine.outbox.url);
  if (!store) return store.error();
  return with_keys(*std::move(store), account);
}
#else
Opened open_in_database(const Account& /*account*/) { return Opened(nullptr); }
#endif

}  // namespace

void add_stripe_store(CLI::App& command, std::string& file) {
  command
      .add_option("--stripe-store", file,
                  "The file of Stripe's webhooks; unless set, the outbox's name with -stripe, or "
                  "its database")
      ->check(CLI::ExistingFile);
}

Opened open_stripe_store(const Account& account, const std::string& file) {
  const auto outbox = account.outbox.file();
  if (file.empty() && !outbox) return open_in_database(account);
  const std::string path = file.empty() ? *outbox + "-stripe" : file;
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return Opened(nullptr);
  return with_keys(stripe::sqlite_fact_store(path), account);
}

std::optional<Result<bool>> database_has_stripe_store(const klaviyo::Config& config) {
#ifdef POSTBOX_WITH_POSTGRES
  const std::string& url = config.engine.outbox.url;
  if (url.substr(0, url.find(':')) == postgres_backend().scheme) {
    return stripe::has_postgres_fact_store(url);
  }
#endif
  (void)config;
  return std::nullopt;
}

}  // namespace postbox::cli

#include "stripe_store.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <stripe/fact_store.hpp>
#include <system_error>

namespace postbox::cli {

void add_stripe_store(CLI::App& command, std::string& file) {
  command
      .add_option("--stripe-store", file,
                  "The file of Stripe's webhooks; the outbox's name with -stripe unless set")
      ->check(CLI::ExistingFile);
}

std::unique_ptr<stripe::EncryptedFactStore> open_stripe_store(const Account& account,
                                                              const std::string& file) {
  const std::string path = file.empty() ? account.outbox.file().value_or("") + "-stripe" : file;
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return nullptr;
  return std::make_unique<stripe::EncryptedFactStore>(stripe::sqlite_fact_store(path),
                                                      account.config.engine.outbox.encryption_keys);
}

}  // namespace postbox::cli

#include "account.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace postbox::cli {
namespace {

Result<void> check_place(const Operator& outbox, const AccountOptions& options) {
  const auto file = outbox.file();
  if (!file) return {};
  const std::string setting = options.prefix + "POSTBOX_OUTBOX";
  if (file->empty()) {
    return Error{ErrorCode::kInvalidConfig,
                 setting + ": memory: is seen by its own process alone; expected sqlite:PATH"};
  }
  std::error_code failed;
  if (std::filesystem::exists(*file, failed)) return {};
  return Error{ErrorCode::kOutboxUnavailable,
               setting + ": there is no outbox at '" + *file +
                   "': is it the path of the server, and has that been started?"};
}

}  // namespace

Result<Account> open_account(const AccountOptions& options) {
  auto config = read_config(options);
  if (!config) return config.error();
  auto outbox = klaviyo::open_operator(*config);
  if (!outbox) return outbox.error();
  if (auto ok = check_place(*outbox, options); !ok) return ok.error();
  return Account{*std::move(config), *std::move(outbox)};
}

Result<Account> open_account_with_key(const AccountOptions& options) {
  auto account = open_account(options);
  if (!account || !account->config.api_key.empty()) return account;
  return Error{ErrorCode::kInvalidConfig,
               options.prefix + "KLAVIYO_API_KEY: is not set, and nothing is delivered without it"};
}

std::string name_of(QueueId queue, const klaviyo::Config& config) {
  const auto queues = klaviyo::every_queue(config.own_families);
  const auto found = std::ranges::find(queues, queue, &Family::queue);
  if (found == queues.end()) return "queue " + std::to_string(static_cast<std::uint32_t>(queue));
  const auto number = static_cast<std::uint32_t>(queue);
  return std::string(found->name) + (number > klaviyo::kLastOwnQueue ? " history" : "");
}

}  // namespace postbox::cli

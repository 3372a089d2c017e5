#include <memory>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>

#include "base/file_name.hpp"
#include "sqlite_outbox/outbox.hpp"

namespace postbox {
namespace {

constexpr std::string_view kFileScheme = "sqlite:";
constexpr std::string_view kMemoryUrl = "memory:";

}  // namespace

Result<std::shared_ptr<Outbox>> open_outbox(const OutboxOptions& options,
                                            std::shared_ptr<Clock> clock) {
  const std::string_view url = options.url;
  if (clock == nullptr) return Error{ErrorCode::kInvalidArgument, "open_outbox needs a clock"};
  if (url == kMemoryUrl) {
    return {std::make_shared<SqliteOutbox>(std::string(), options, std::move(clock))};
  }
  const std::string_view path =
      url.starts_with(kFileScheme) ? url.substr(kFileScheme.size()) : std::string_view();
  // SQLite gives names that start with a colon a meaning of their own.
  if (path.empty() || path.front() == ':') {
    // No more than the scheme: what follows may hold a password.
    return Error{ErrorCode::kInvalidConfig, "POSTBOX_OUTBOX: '" +
                                                std::string(url.substr(0, url.find(':'))) +
                                                ":…' is not supported; use sqlite:PATH or memory:"};
  }
  auto resolved = resolved_name(std::string(path));
  if (!resolved) return resolved.error().with_context("POSTBOX_OUTBOX");
  return {std::make_shared<SqliteOutbox>(*std::move(resolved), options, std::move(clock))};
}

}  // namespace postbox

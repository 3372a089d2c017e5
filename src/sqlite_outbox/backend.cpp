#include <memory>
#include <string>
#include <utility>

#include <postbox/outbox_backend.hpp>

#include "base/file_name.hpp"
#include "base/not_accepted.hpp"
#include "outbox.hpp"

namespace postbox {
namespace {

// A folder's name that a shell would replace: "$HOME", "${DATA}".
bool has_variable(std::string_view path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const char next = path[i + 1];
    const bool begins_name =
        next == '{' || next == '_' || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z');
    if (path[i] == '$' && begins_name && (i == 0 || path[i - 1] == '/')) return true;
  }
  return false;
}

// A place that is not meant as it stands, and would become a file of that name somewhere.
Result<void> check_path(std::string_view path) {
  const auto refuse = [path](std::string_view why) {
    return not_accepted(
        "sqlite:" + std::string(path),
        "sqlite:PATH, such as sqlite:/var/lib/shop/postbox.db: " + std::string(why));
  };
  if (path.empty()) return refuse("the path is missing");
  // SQLite gives names that start with a colon a meaning of their own.
  if (path.front() == ':') return refuse("it must not start with a colon");
  if (path.front() == '~') return refuse("~ is not expanded; write the whole path");
  if (has_variable(path)) return refuse("variables are not expanded; write the whole path");
  if (path.starts_with("//") && !path.starts_with("///")) {
    return refuse("there is no host; write sqlite:shop.db or sqlite:/folder/shop.db");
  }
  if (path.back() == '/') return refuse("it names a folder; name a file in it");
  return {};
}

Result<std::string> resolve_path(std::string_view path) { return resolved_name(std::string(path)); }

Result<void> look_at_path(std::string_view path) {
  const auto name = resolve_path(path);
  if (!name) return name.error();
  return check_writable(*name);
}

Result<std::shared_ptr<Outbox>> open_file(std::string_view path, const OutboxOptions& options,
                                          std::shared_ptr<Clock> clock) {
  auto name = resolve_path(path);
  if (!name) return name.error();
  return {std::make_shared<SqliteOutbox>(*std::move(name), options, std::move(clock))};
}

Result<void> check_nothing(std::string_view place) {
  if (place.empty()) return {};
  return not_accepted("memory:" + std::string(place), "memory: with nothing behind the colon");
}

Result<std::string> resolve_nothing(std::string_view /*place*/) { return std::string(); }

Result<void> look_at_nothing(std::string_view /*place*/) { return {}; }

Result<std::shared_ptr<Outbox>> open_memory(std::string_view /*place*/,
                                            const OutboxOptions& options,
                                            std::shared_ptr<Clock> clock) {
  return {std::make_shared<SqliteOutbox>(std::string(), options, std::move(clock))};
}

}  // namespace

const OutboxBackend& sqlite_backend() noexcept {
  static constexpr OutboxBackend kBackend{"sqlite",      "sqlite:PATH", &check_path,
                                          &resolve_path, &look_at_path, &open_file};
  return kBackend;
}

const OutboxBackend& memory_backend() noexcept {
  static constexpr OutboxBackend kBackend{"memory",         "memory:",        &check_nothing,
                                          &resolve_nothing, &look_at_nothing, &open_memory};
  return kBackend;
}

}  // namespace postbox

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include <postbox/postgres_backend.hpp>

#include "outbox.hpp"
#include "postgres/uri.hpp"
#include "schema_text.hpp"
#include "shared_rate_gate.hpp"

namespace postbox {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

// The place itself is never said: a password may stand in it.
Error refuse(std::string_view why) {
  return Error{ErrorCode::kInvalidConfig,
               "what stands behind 'postgres:' is not accepted; expected "
               "postgres://USER@HOST/DATABASE, as libpq reads it: " +
                   std::string(why)};
}

Result<void> check_place(std::string_view place) {
  if (!place.starts_with("//")) return refuse("it must start with //");
  const std::string_view authority = place.substr(2, place.find_first_of("/?", 2) - 2);
  if (std::ranges::count(authority, '@') > 1) {
    return refuse("there is more than one @; write %40 for one in a user's name or a password");
  }
  const std::string uri = "postgresql:" + std::string(place);
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(uri.c_str(), &message));
  PQfreemem(message);  // it quotes the URI
  if (options == nullptr) {
    return refuse(
        "it is no URI, or names an option that libpq does not know; "
        "write %25 for % and %3D for = in a value");
  }
  return {};
}

Result<std::string> resolve_place(std::string_view place) { return std::string(place); }

// A program must start while its database is away.
Result<void> look_at_place(std::string_view /*place*/) { return {}; }

Result<std::shared_ptr<Outbox>> open_database(std::string_view place, const OutboxOptions& options,
                                              std::shared_ptr<Clock> clock) {
  return {std::make_shared<PostgresOutbox>(place, options, std::move(clock),
                                           postgres::TimeSource::kServer)};
}

}  // namespace

const OutboxBackend& postgres_backend() noexcept {
  static constexpr OutboxBackend kBackend{"postgres",     "postgres://USER@HOST/DATABASE",
                                          &check_place,   &resolve_place,
                                          &look_at_place, &open_database};
  return kBackend;
}

Result<NewRateGate> postgres_rate_gate(std::string_view url, std::string account,
                                       std::shared_ptr<Clock> clock) {
  auto uri = postgres::uri_of(url, postgres_backend());
  if (!uri) return uri.error();
  constexpr std::chrono::milliseconds kLimit{1'000};
  auto store = std::make_shared<postgres::Store>(postgres::kOutboxSchema, *std::move(uri), kLimit,
                                                 std::move(clock), postgres::TimeSource::kServer);
  return postgres::shared_rate_gates(
      {.store = std::move(store), .account = std::move(account), .random = system_random()});
}

}  // namespace postbox

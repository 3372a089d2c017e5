// The meaning of an outbox's URL: the backend of its scheme, and the place behind the colon. No
// other file knows a scheme.
//
// Place:     config.cpp checks and resolves by it, open_outbox() opens.
// Threads:   pure functions.
// Lifetime:  the place views the options' URL.
// Failure:   kInvalidConfig, without the name of the variable; of an unknown URL the scheme alone
// is
//            said, since what follows may hold a password.
#pragma once

#include <string_view>

#include <postbox/outbox.hpp>

namespace postbox {

struct OutboxPlace {
  const OutboxBackend& backend;
  std::string_view place;
};

// Fails, too, when the backend does not take the place.
[[nodiscard]] Result<OutboxPlace> place_of(const OutboxOptions& options);

// What stands behind the scheme of a store on the network.
inline constexpr std::string_view kOnNetwork = "://";

// The file that OutboxOptions::spill names. Fails when it is empty.
[[nodiscard]] Result<OutboxPlace> spill_place_of(std::string_view spill);

// Fails when there is a spill, and the outbox is on this machine itself.
[[nodiscard]] Result<void> check_spill_beside(const OutboxOptions& options);

// Up to the colon.
[[nodiscard]] std::string_view scheme_of(std::string_view url) noexcept;

}  // namespace postbox

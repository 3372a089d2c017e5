// uri_of() makes of a URL as in POSTBOX_OUTBOX what libpq connects to.
//
// Place:     inside the PostgreSQL library, above Store, which takes it.
// Threads:   a pure function.
// Lifetime:  plain values.
// Failure:   kInvalidConfig, which says nothing of what stands behind the scheme: a password may.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <postbox/outbox_backend.hpp>
#include <postbox/result.hpp>

#include "base/not_accepted.hpp"

namespace postbox::postgres {

// Returns "postgresql://…" of a URL that `backend` takes.
[[nodiscard]] inline Result<std::string> uri_of(std::string_view url,
                                                const OutboxBackend& backend) {
  const std::string_view scheme = url.substr(0, url.find(':'));
  if (scheme != backend.scheme) return not_accepted(scheme, backend.accepted);
  const std::string_view place = url.substr(std::min(url.size(), scheme.size() + 1));
  if (auto checked = backend.check(place); !checked) return checked.error();
  return "postgresql:" + std::string(place);
}

}  // namespace postbox::postgres

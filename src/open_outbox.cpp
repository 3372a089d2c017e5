#include "open_outbox.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/encryption_keys.hpp"
#include "base/not_accepted.hpp"
#include "encrypted_outbox.hpp"
#include "spill_outbox.hpp"

namespace postbox {
namespace {

// "sqlite:PATH or memory:"
std::string accepted_by(const std::vector<const OutboxBackend*>& backends) {
  std::string text;
  for (const OutboxBackend* backend : backends) {
    text += (text.empty() ? "" : " or ") + std::string(backend->accepted);
  }
  return text;
}

// A store on the network is a library of its own: the URL alone does not bring it.
std::string_view how_to_add(std::string_view behind_scheme) {
  if (!behind_scheme.starts_with(kOnNetwork)) return "";
  return "; a store on the network is a library of its own, which a program links and adds to "
         "OutboxOptions::backends before it starts: for PostgreSQL postbox::postgres, and "
         "config.engine.outbox.backends.push_back(&postbox::postgres_backend())";
}

Result<std::shared_ptr<Outbox>> with_spill(std::shared_ptr<Outbox> store,
                                           const OutboxOptions& options,
                                           std::shared_ptr<Clock> clock) {
  if (const auto ok = check_spill_beside(options); !ok) return ok.error();
  const auto found = spill_place_of(options.spill);
  if (!found) return found.error();
  auto file = found->backend.open(found->place, options, clock);
  if (!file) return file;
  return spilling(std::move(store), *std::move(file), std::move(clock));
}

}  // namespace

std::string_view scheme_of(std::string_view url) noexcept { return url.substr(0, url.find(':')); }

Result<OutboxPlace> place_of(const OutboxOptions& options) {
  const std::string_view url = options.url;
  const std::string_view scheme = scheme_of(url);
  const auto found = std::ranges::find(options.backends, scheme, &OutboxBackend::scheme);
  if (found == options.backends.end() || scheme.size() == url.size()) {
    Error error = not_accepted(scheme, accepted_by(options.backends));
    error.message += how_to_add(url.substr(scheme.size()));
    return error;
  }
  const std::string_view place = url.substr(scheme.size() + 1);
  const OutboxBackend& backend = **found;
  if (const auto ok = backend.check(place); !ok) return ok.error();
  return OutboxPlace{backend, place};
}

Result<OutboxPlace> spill_place_of(std::string_view spill) {
  const OutboxBackend& backend = sqlite_backend();
  if (scheme_of(spill) != backend.scheme || spill.size() <= backend.scheme.size()) {
    return not_accepted(scheme_of(spill), backend.accepted);
  }
  const std::string_view place = spill.substr(backend.scheme.size() + 1);
  if (const auto ok = backend.check(place); !ok) return ok.error();
  return OutboxPlace{backend, place};
}

Result<void> check_spill_beside(const OutboxOptions& options) {
  const std::string_view url = options.url;
  const std::string_view scheme = scheme_of(url);
  if (options.spill.empty() || url.substr(scheme.size()).starts_with(kOnNetwork)) return {};
  return Error{ErrorCode::kInvalidConfig,
               "it is for an outbox in a database, which may be away, and POSTBOX_OUTBOX is " +
                   std::string(scheme) + ": on this machine: remove one of the two"};
}

Result<std::shared_ptr<Outbox>> open_outbox(const OutboxOptions& options,
                                            std::shared_ptr<Clock> clock) {
  if (clock == nullptr) return Error{ErrorCode::kInvalidArgument, "open_outbox needs a clock"};
  const auto found = place_of(options);
  if (!found) return found.error().with_context("POSTBOX_OUTBOX");
  auto outbox = found->backend.open(found->place, options, clock);
  if (!outbox) return outbox.error().with_context("POSTBOX_OUTBOX");
  if (!options.spill.empty()) {
    outbox = with_spill(*std::move(outbox), options, std::move(clock));
    if (!outbox) return outbox.error().with_context("POSTBOX_SPILL");
  }
  // Outside of the spill, where events lie sealed as well.
  return encrypted(*std::move(outbox), cipher_of(options.encryption_keys));
}

}  // namespace postbox

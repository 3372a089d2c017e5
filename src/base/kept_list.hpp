// A kept list is a text of an outbox, see Outbox::keep(), with a line for each entry, the newest
// last.
//
// Place:     below the engine and the integrations; over anything with keep() and exchange().
// Threads:   may be used by several threads and processes at once: no entry is lost.
// Lifetime:  on disk.
// Failure:   what the store says.
#pragma once

#include <string>
#include <string_view>

#include <postbox/outbox.hpp>

namespace postbox {

// Puts `lines`, each with its end, behind the kept text. The oldest lines give way beyond what can
// be kept.
template <class Store>
[[nodiscard]] Result<void> add_to_kept(Store& store, std::string_view name,
                                       std::string_view lines) {
  auto there = store.keep(name, {});
  if (!there) return there.error();
  std::string added(lines);
  for (;;) {
    std::string next = *there + added;
    while (next.size() > kMaxKeptText && next.find('\n') != std::string::npos) {
      next.erase(0, next.find('\n') + 1);
    }
    auto before = store.exchange(name, next);
    if (!before) return before.error();
    if (*before == *there) return {};
    // Somebody has added to it meanwhile, and lost that here: it is put back, behind ours.
    added = before->starts_with(*there) ? before->substr(there->size()) : *before;
    there = std::move(next);
  }
}

}  // namespace postbox

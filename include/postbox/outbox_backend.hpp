// OutboxBackend is a kind of store that events may wait in, as a value: the scheme of
// POSTBOX_OUTBOX, what may stand behind it, and how it is opened.
//
// Place:     looked up by the scheme of OutboxOptions::url, and nowhere else. SQLite's two come
//            with the library; another is a library of its own, whose address a program puts into
//            OutboxOptions::backends.
// Threads:   its functions may be called from several threads at once.
// Lifetime:  a plain value.
// Failure:   kInvalidConfig, without the name of the variable, and without what may hold a
//            password.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <postbox/outbox_options.hpp>
#include <postbox/result.hpp>

namespace postbox {

class Clock;
class Outbox;

struct OutboxBackend {
  std::string_view scheme;    // "sqlite": what stands before the colon
  std::string_view accepted;  // "sqlite:PATH"

  // Whether what stands behind the colon may be there. Does not look at the disk or the network.
  Result<void> (*check)(std::string_view place);

  // The same place whatever the working directory becomes: with absolute names.
  Result<std::string> (*resolve)(std::string_view place);

  // Whether the store can be there now: its folder exists and may be written, for example.
  Result<void> (*look)(std::string_view place);

  // Does not wait for the store: one that cannot be opened is an error of the first call that needs
  // it.
  Result<std::shared_ptr<Outbox>> (*open)(std::string_view place, const OutboxOptions& options,
                                          std::shared_ptr<Clock> clock);
};

}  // namespace postbox

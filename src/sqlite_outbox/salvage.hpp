// Salvage of an outbox's file that is damaged, or was removed while it is in use: its readable rows
// go into a new file, and the old one is kept.
//
// Place:     called by the SQLite outbox, by the sender of the file only.
// Threads:   the caller holds the writer mutex and both connections. One process at a time: each
// function
//            that moves files holds the NameLock of the path, or its caller does.
// Lifetime:  free functions.
// Failure:   throws sqlite::Failure; until the last step the old file stands where it stood.
//
// The new file is written beside the old one, as "<path>-salvaged", synced, and only then renamed.
// A process that dies between the two renames leaves no file at `path`: finish_replacement() does
// the second one at the next start. The damaged file's log has both names from before the first
// until the second, since a file without its log has lost what was appended last.
#pragma once

#include <cstddef>
#include <string>

#include "sqlite/database.hpp"

namespace postbox::sqlite {

struct Salvaged {
  std::size_t waiting = 0;
  std::size_t dead = 0;
};

// Copies every row of `from` that can be read, with its id, state and counts. `to` is empty.
Salvaged copy_readable_rows(Database& from, Database& to);

// True when `path` begins as an outbox does, so that it may be moved aside when it is damaged: a
// file that somebody named by mistake may not.
[[nodiscard]] bool is_an_outbox(Database& database);

// Puts a new file in the place of the damaged one, which is renamed to "<path>.damaged-<time>".
// No connection of this process may be open. Returns what to tell the operator.
[[nodiscard]] Error replace_damaged_file(const std::string& path);

// The file that `from` has open stands no longer at `path`. Writes its rows to `path`, or, when
// somebody has put another file there, to "<path>.removed-<time>". Returns what to tell the
// operator.
[[nodiscard]] Error restore_removed_file(Database& from, const std::string& path);

}  // namespace postbox::sqlite

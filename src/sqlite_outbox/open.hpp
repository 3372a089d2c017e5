// Opens the SQLite outbox's file.
//
// Place:     used by SqliteOutbox for each of its connections, and by salvage for the new file.
// Threads:   free functions. Openings of one process follow each other.
// Lifetime:  returns a connection that its caller owns.
// Failure:   throws sqlite::Failure. A damaged or foreign file stays as it is.
#pragma once

#include <chrono>
#include <string>

#include "sqlite/database.hpp"

namespace postbox::sqlite {

// Opens the file at `path`, creating it with mode 0600 when it is missing. Checks that it is an
// outbox this version understands, brings an empty or older one up to date, and sets the connection
// up. Finishes a salvage that was interrupted. The caller holds the writer mutex of `shared`. Fails
// with kOutboxTooNew, kOutboxCorrupt, kOutboxBusy while another process opens or repairs it, or
// kOutboxUnavailable when the file is the database of another program or has a second name.
[[nodiscard]] Database open_store(const std::string& path, SharedFile& shared,
                                  std::chrono::milliseconds busy_timeout);

// The same for a name that nobody else uses: without the NameLock.
[[nodiscard]] Database open_new_store(const std::string& path, SharedFile& shared,
                                      std::chrono::milliseconds busy_timeout);

[[nodiscard]] Database open_memory_store();

}  // namespace postbox::sqlite

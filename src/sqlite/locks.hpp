// Tells whether SQLite can be used in this process at all. A child of a fork() has a copy of its
// global locks, and one that another thread held at that moment stays taken: the host may use
// SQLite itself, which no gate of ours keeps from a fork.
//
// Place:     asked before SQLite's first use in a process; below everything, also below the
//            integrations.
// Threads:   from any thread.
// Lifetime:  a free function; SQLite's global locks live as long as the process.
// Failure:   false after a quarter of a second; then always, and at once.
#pragma once

namespace postbox {

[[nodiscard]] bool sqlite_locks_are_free() noexcept;

}  // namespace postbox

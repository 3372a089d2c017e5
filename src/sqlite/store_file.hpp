// The moves of a store's file: a damaged one goes aside, a new one takes its name. SQLite keeps
// what was written last in a log beside the file, so that each move is one of two names.
//
// Place:     below every store that keeps a file.
// Threads:   free functions. One process at a time: the caller holds the NameLock of the path.
// Lifetime:  a process may die between any two steps: then the file or its replacement is complete.
// Failure:   throws Failure; what stood at the path stands there still, or is there under the name
// aside.
#pragma once

#include <string>

namespace postbox::sqlite {

// "PATH.WHAT-TIME", or the next of that kind which is free.
[[nodiscard]] std::string name_aside(const std::string& path, const char* what);

// Where the replacement of the file at `path` is written: complete when it has no log.
[[nodiscard]] std::string replacement_of(const std::string& path);

// Renames, durably: after a power cut it is done or not.
void rename_durably(const std::string& from, const std::string& to);

// Renames a file and its log. No connection may be open, but of whoever holds the file's write
// lock.
void set_aside(const std::string& path, const std::string& aside);

// Gives a complete replacement its name where nothing stands there. To be called before `path` is
// opened: whoever replaced it may have died before the last step.
void finish_replacement(const std::string& path);

void remove_file(const std::string& path);

// Removes the log of a file that has gone: SQLite would take it for the log of the next file.
void remove_log_of(const std::string& path);

}  // namespace postbox::sqlite

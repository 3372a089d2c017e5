// The name of a file, made independent of what changes while a process runs: the working directory
// (chdir, daemon) and links. State belongs to a file, by whatever name that is reached.
//
// Place:     used once, when a name is taken over from the configuration; below everything, also
//            below the integrations.
// Threads:   free functions, from any thread.
// Lifetime:  plain values.
// Failure:   kInvalidConfig or kOutboxUnavailable, with the name and what to do.
#pragma once

#include <string>

#include <postbox/result.hpp>

namespace postbox {

// Puts the working directory in front of a relative name. Links stay, for a file that is to be
// found where they point at the time of each use.
[[nodiscard]] Result<std::string> absolute_name(const std::string& name);

// The one name of the file behind `name`: absolute, without links. Neither the file nor its folder
// need exist yet.
[[nodiscard]] Result<std::string> resolved_name(const std::string& name);

// Fails when the file at `path` can be reached by a second name that resolved_name() cannot know:
// a hard link, or a mount of the single file. SQLite keeps the newest events in a log beside the
// name, so that each name would have events of its own, and two would destroy each other's.
[[nodiscard]] Result<void> check_only_name(const std::string& path);

// Fails when no file can be written at `path`, an absolute name: its folder is missing, is none or
// refuses, or what stands there is no file or refuses. Makes nothing.
[[nodiscard]] Result<void> check_writable(const std::string& path);

}  // namespace postbox

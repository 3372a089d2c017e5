// What an outbox knows of its servers' settings: those of the last start or reload, and what was
// changed when.
//
// Place:     written by start() and by reload(); read by people's programs.
// Threads:   pure functions, but for the outbox.
// Lifetime:  plain values.
// Failure:   the outbox's errors.
#pragma once

#include <postbox/operator.hpp>
#include <postbox/result.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

// Names of kept texts. On disk: do not change.
inline constexpr std::string_view kKeptSettings = "settings";         // a kept_form()
inline constexpr std::string_view kKeptHistory = "settings_history";  // history_lines()

struct KeptSetting {
  std::string name;   // the variable; "Postbox" is the version
  std::string shown;  // secrets are masked
};

struct ChangedSetting {
  std::string time;    // of the start or reload that applied it, as RFC 3339
  std::string name;    // the variable
  std::string change;  // "old -> new", secrets masked
};

// The settings of the last start or reload of a server on this outbox; none before the first.
[[nodiscard]] postbox::Result<std::vector<KeptSetting>> kept_settings(
    const postbox::Operator& outbox);

// The last changes, the oldest first: as many as fit in postbox::kMaxKeptText.
[[nodiscard]] postbox::Result<std::vector<ChangedSetting>> changed_settings(
    const postbox::Operator& outbox);

// A line of the kept history for each of `changes`, "NAME old -> new".
[[nodiscard]] std::string history_lines(postbox::WallTime now,
                                        const std::vector<std::string>& changes);

}  // namespace klaviyo

// Selection says which events a command is about, and how a change to them is agreed on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <klaviyo/config.hpp>
#include <limits>
#include <optional>
#include <postbox/event.hpp>
#include <string>

#include "command.hpp"

namespace postbox::cli {

struct Selection {
  std::string family{};  // as `status` names it: "purchase", "purchase history"
  std::string metric{};
  std::string reason{};  // of dead letters
  std::optional<std::chrono::milliseconds> older_than{};
  std::optional<std::int64_t> id{};
  std::size_t max = std::numeric_limits<std::size_t>::max();
};

// Adds --family, --metric, --older-than, --id and --max. `selection` must live as long as
// `command`.
void add_selection(CLI::App& command, Selection& selection);

// Returns the queue of the family, if one is named. The error names those that there are.
[[nodiscard]] Result<std::optional<QueueId>> queue_of(const Selection& selection,
                                                      const klaviyo::Config& config);

// What a command that changes something asks first.
struct Approval {
  bool dry_run = false;
  bool yes = false;
};

// Adds --dry-run and --yes.
void add_approval(CLI::App& command, Approval& approval);

enum class Decision : std::uint8_t { kGo, kDryRun, kNo, kCannotAsk };

// Asks `question` at a terminal, unless --yes or --dry-run has decided it. Says on `err` what to do
// where nobody can be asked.
[[nodiscard]] Decision decide(const Approval& approval, const std::string& question,
                              Console& console);

// "1 dead letter", "3 dead letters".
[[nodiscard]] std::string counted(std::uint64_t number, const std::string& what);

}  // namespace postbox::cli

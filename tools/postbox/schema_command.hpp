// postbox schema: what the events look like.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace postbox::cli {

inline constexpr int kDone = 0;
inline constexpr int kProblem = 1;
inline constexpr int kWrongUse = 2;

// Adds the subcommand. When it was chosen, parsing sets `run`, which returns the exit code.
void add_schema(CLI::App& app, std::function<int()>& run);

}  // namespace postbox::cli

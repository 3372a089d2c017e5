// What commands write: tables for people, JSON in a fixed order for machines, problems.
#pragma once

#include <chrono>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <postbox/error.hpp>
#include <postbox/log.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace postbox::cli {

using Json = nlohmann::ordered_json;

// Writes `json` and an end of line. What is not UTF-8 is replaced.
void write_json(std::ostream& out, const Json& json);

// Writes each line of the error behind "postbox: ". Returns kProblem.
int fail(Console& console, const Error& error);

// A sink for a tracker's log that writes warnings and errors to `err`, which must outlive it, under
// the lock. The configured level stays as it is: the outbox keeps the settings, to say at the next
// start what has changed.
[[nodiscard]] LogSink warnings_to(std::ostream& err, std::shared_ptr<std::mutex> writing);

// In one line: control characters, which a terminal might obey, become '?'.
[[nodiscard]] std::string printable(std::string_view text);

// What somebody has typed, to be shown again: printable, and without what looks like an e-mail
// address, a phone number or a key.
[[nodiscard]] std::string typed(std::string_view text);

// "350ms", "12s", "5m 3s", "3h 20m", "2d 4h": the two largest units.
[[nodiscard]] std::string in_words(std::chrono::milliseconds time);

// "512 B", "1.5 MiB".
[[nodiscard]] std::string in_size(std::uint64_t bytes);

// Writes a line for each member of `object`: its name, and its value as text. What ends in "_ms" is
// a time, in words.
void write_members(std::ostream& out, const Json& object);

// A table with a line of headings; columns of numbers are aligned to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}

  // `row` has a cell for each heading; what is in them is made printable().
  void add(const std::vector<std::string>& row);

  void write(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace postbox::cli

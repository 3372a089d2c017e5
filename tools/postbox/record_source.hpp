// A RecordSource reads the orders or subscriptions of a file one at a time, however long it is.
#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <postbox/event.hpp>
#include <postbox/result.hpp>
#include <string>
#include <utility>
#include <vector>

namespace postbox::cli {

struct SourceRecord {
  std::size_t line = 0;                 // on which it begins, from 1
  std::vector<std::string> rows{};      // as they stand there, without their ends of line
  std::string type{};                   // "order", "subscription"; others, and none, are told, too
  std::string json{};                   // the same as docs/json.md has it
  std::vector<Violation> violations{};  // what of it cannot be in `json`
};

// The meaning of a CSV file's columns and cells beyond their headings.
struct CsvOptions {
  std::vector<std::pair<std::string, std::string>> map{};  // a heading and a member's path, or none
  std::vector<std::pair<std::string, std::string>> set{};  // a member's path and its value
  std::string delimiter{};                                 // one of , ; and tab unless set
  std::string time_format{};                               // as strptime() has it
  std::string utc_offset{};                                // "+01:00", of times without a zone
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // Reads the next record into `record`; false at the end. Fails where nothing behind it can be
  // read either.
  [[nodiscard]] virtual Result<bool> next(SourceRecord& record) = 0;

  // All that the meaning of the lines depends on: the heading and the options.
  [[nodiscard]] virtual std::string form() const = 0;

  // For the file of records that were refused: its first line, and a record's lines with the
  // reason. Each with its end.
  [[nodiscard]] virtual std::string rejected_heading() const = 0;
  [[nodiscard]] virtual std::string rejected_lines(const SourceRecord& record,
                                                   const std::string& reason) const = 0;

  // Remarks of the reader, such as columns that it leaves out.
  [[nodiscard]] virtual const std::vector<std::string>& notes() const = 0;

  // Bytes that were read so far.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;
};

// Returns the source for what `in` has: JSON lines when it begins with '{', else CSV. `type` is
// "order", "subscription" or empty: told by each record's members. `in` must outlive it. Fails for
// a list of JSON, an empty file, and headings that are not understood.
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_source(std::istream& in,
                                                                const std::string& type,
                                                                const CsvOptions& csv);

}  // namespace postbox::cli

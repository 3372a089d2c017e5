// LineReader reads the lines of a stream, none longer than what memory should hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <utility>

namespace postbox::cli {

class LineReader {
 public:
  static constexpr std::size_t kLongest = 4'194'304;  // bytes; an event has five million at most

  explicit LineReader(std::istream& in) : in_(in) {}

  // Reads a line without its end; false at the end of the stream. Of a longer one than kLongest its
  // first bytes; then is_cut().
  bool next(std::string& line);

  // The next line is this one, which was read last, once more.
  void give_back(std::string line) { given_back_ = std::move(line); }

  [[nodiscard]] bool is_cut() const noexcept { return is_cut_; }
  [[nodiscard]] std::size_t number() const noexcept { return number_; }  // of that line, from 1
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_; }

 private:
  std::istream& in_;
  std::optional<std::string> given_back_{};
  std::size_t number_ = 0;
  std::uint64_t bytes_ = 0;
  bool is_cut_ = false;
};

}  // namespace postbox::cli

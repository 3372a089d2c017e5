// parse_dotenv() reads the text of a .env file as the usual libraries write it.
//
// Place:     below Environment, which takes such a file and the process's variables together.
// Threads:   a free function, from any thread.
// Lifetime:  plain values.
// Failure:   kInvalidConfig for a text in UTF-16. A line that cannot be read is no failure: the
// file
//            belongs to other programs, too.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/result.hpp>

namespace postbox {

struct Dotenv {
  using Texts = std::map<std::string, std::string, std::less<>>;

  Texts values;
  Texts troubles;  // by name, why its value cannot be used: "line 3: …"; never shows the value
  std::vector<std::size_t> skipped;   // numbers of lines that are no assignment
  std::vector<std::size_t> repeated;  // numbers of lines that give a name another value
};

// NAME=VALUE and "export NAME=VALUE", comments and blank lines; a byte order mark; lines that end
// with LF, CRLF or CR. A value in quotes ('…', "…" or `…`) may have several lines; in "…" \n, \r,
// \t, \", \\ and \$ are escapes. A comment after a value begins with a blank and '#'. Of a name
// that stands there twice, the last line counts. Nothing is expanded.
[[nodiscard]] Result<Dotenv> parse_dotenv(std::string_view text);

}  // namespace postbox

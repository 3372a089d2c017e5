#include "line_reader.hpp"

#include <string_view>
#include <utility>

namespace postbox::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

bool LineReader::next(std::string& line) {
  if (given_back_) {
    line = *std::exchange(given_back_, std::nullopt);
    return true;
  }
  line.clear();
  is_cut_ = false;
  std::streambuf& bytes = *in_.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int c = bytes.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd && c != '\n'; c = bytes.sbumpc()) {
    ++bytes_;
    if (line.size() < kLongest) {
      line += static_cast<char>(c);
    } else {
      is_cut_ = true;
    }
  }
  bytes_ += c == '\n' ? 1 : 0;
  if (line.ends_with('\r')) line.pop_back();
  if (++number_ == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
  return true;
}

}  // namespace postbox::cli

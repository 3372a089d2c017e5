#include "request_target.hpp"

#include <charconv>
#include <string>

namespace sim {
namespace {

// Returns the part up to `separator` and removes both from `text`.
std::string_view take_part(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return part;
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i).substr(1, 2);
    unsigned char byte = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (text[i] == '%' && digits.size() == 2 && read.ptr == digits.data() + 2) {
      result.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

// In a query a plus is a space.
std::string decoded_parameter(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced) {
    if (c == '+') c = ' ';
  }
  return decoded(spaced);
}

}  // namespace

void set_target(Request& request, std::string_view target) {
  request.path = decoded(take_part(target, '?'));
  while (!target.empty()) {
    std::string_view value = take_part(target, '&');
    const std::string_view name = take_part(value, '=');
    if (!name.empty()) request.query.emplace(decoded_parameter(name), decoded_parameter(value));
  }
}

}  // namespace sim

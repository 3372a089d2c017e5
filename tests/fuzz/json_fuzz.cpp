// Valid UTF-8 becomes JSON that another parser reads as it was (other texts are refused before they
// get here, and harm nothing if they do not); numbers and times are JSON, too. The input's first
// eight bytes are also a number.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <postbox/schema.hpp>
#include <string>

#include "fuzz_input.hpp"

using namespace postbox::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  std::string out;
  postbox::append_string(text, out);
  if (postbox::is_utf8(text)) {
    const auto parsed = nlohmann::json::parse(out, nullptr, false);
    require(parsed.is_string() && parsed.get<std::string>() == text);
  }

  std::int64_t number = 0;
  std::memcpy(&number, data, std::min(size, sizeof number));
  std::string list = "[";
  postbox::append_integer(number, list);
  list += ',';
  postbox::append_decimal(number, static_cast<int>(size % 4), list);
  list += ",\"";
  postbox::append_time(postbox::WallTime(std::chrono::milliseconds(number)), list);
  require(nlohmann::json::accept(list + "\"]"));
  return 0;
}

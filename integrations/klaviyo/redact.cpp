#include <algorithm>
#include <klaviyo/ascii.hpp>
#include <klaviyo/redact.hpp>
#include <limits>
#include <postbox/schema.hpp>

#include "base/secret_text.hpp"

namespace klaviyo {
namespace {

// Characters that may stand around an address in a sentence, but not inside one.
constexpr bool ends_word(char c) {
  return std::string_view(" \"'`,;<>()[]{}|").find(c) != std::string_view::npos;
}

constexpr bool joins_digits(char c) {
  return std::string_view(" -.()/").find(c) != std::string_view::npos;
}

std::string printable(std::string_view text) {
  const bool utf8 = postbox::is_utf8(text);
  std::string line(text);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    if (byte >= 0x80 && !utf8) c = '?';
  }
  return line;
}

bool holds_email(std::string_view word) {
  return word.find('@') != std::string_view::npos || word.find("%40") != std::string_view::npos;
}

std::string_view masked(std::string_view word) {
  return holds_email(word) ? "[e-mail]" : postbox::holds_key(word) ? "[key]" : word;
}

std::string without_addresses(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const auto length =
        static_cast<std::size_t>(std::find_if(text.begin(), text.end(), ends_word) - text.begin());
    const std::string_view word = text.substr(0, length);
    kept += masked(word);
    if (length < text.size()) kept += text[length];
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return kept;
}

struct DigitRun {
  std::size_t length = 0;  // up to the last digit
  std::size_t digits = 0;
};

DigitRun digit_run(std::string_view text) {
  DigitRun run;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_digit(text[i])) {
      ++run.digits;
      run.length = i + 1;
    } else if (!joins_digits(text[i]) && !(i == 0 && text[i] == '+')) {
      break;
    }
  }
  return run;
}

std::string without_phones(std::string_view text, std::size_t plain_digits) {
  constexpr std::size_t kDigitsAfterPlus = 7;
  std::string kept;
  while (!text.empty()) {
    const bool plus = text.front() == '+';
    if (!plus && !is_digit(text.front())) {
      kept += text.front();
      text.remove_prefix(1);
      continue;
    }
    const DigitRun run = digit_run(text);
    const bool phone = run.digits >= (plus ? kDigitsAfterPlus : plain_digits);
    const std::size_t length = std::max<std::size_t>(run.length, 1);
    kept += phone ? std::string_view("[phone]") : text.substr(0, length);
    text.remove_prefix(length);
  }
  return kept;
}

void cut(std::string& text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  text.resize(end);
}

std::string redact_text(std::string_view text, std::size_t max_bytes, std::size_t plain_digits) {
  std::string line = without_phones(without_addresses(printable(text)), plain_digits);
  cut(line, max_bytes);
  return line;
}

}  // namespace

std::string redact(std::string_view text, std::size_t max_bytes) {
  constexpr std::size_t kPlainDigits = 9;
  return redact_text(text, max_bytes, kPlainDigits);
}

std::string redact_id(std::string_view id, std::size_t max_bytes) {
  return redact_text(id, max_bytes, std::numeric_limits<std::size_t>::max());
}

}  // namespace klaviyo

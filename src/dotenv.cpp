#include "dotenv.hpp"

#include <algorithm>
#include <optional>

#include "base/blanks.hpp"

namespace postbox {
namespace {

constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
constexpr std::string_view kNameCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
constexpr std::string_view kLineBreaks = "\r\n";
constexpr std::string_view kBlanks = " \t";

// The run of characters at the start that may stand in a name.
std::string_view leading_name(std::string_view text) {
  if (!text.empty() && text.front() >= '0' && text.front() <= '9') return {};
  return text.substr(0, std::min(text.find_first_not_of(kNameCharacters), text.size()));
}

bool is_name(std::string_view text) { return !text.empty() && leading_name(text) == text; }

std::string_view without_export(std::string_view line) {
  constexpr std::string_view kExport = "export";
  if (line.size() <= kExport.size() || !line.starts_with(kExport)) return line;
  return kBlanks.find(line[kExport.size()]) == std::string_view::npos
             ? line
             : trimmed(line.substr(kExport.size()));
}

// Cut a comment: a '#' at the start or after a blank. "pk_a#b" is a value, not a comment.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || kBlanks.find(text[i - 1]) != std::string_view::npos)) {
      return trimmed(text.substr(0, i));
    }
  }
  return text;
}

std::string without_escapes(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    constexpr std::string_view kEscapes = "nrt\"\\$";
    constexpr std::string_view kMeanings = "\n\r\t\"\\$";
    const auto found = next == '\0' ? std::string_view::npos : kEscapes.find(next);
    plain += found == std::string_view::npos ? text[i] : kMeanings[found];
    if (found != std::string_view::npos) ++i;
  }
  return plain;
}

// True when "${" stands there and is not escaped.
bool asks_for_expansion(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '$' && text[i + 1] == '{') {
      return true;
    }
  }
  return false;
}

// Whoever gives us half a quote would lose the settings up to the next quote.
bool has_assignment(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = lines.find_first_of(kLineBreaks);
    const std::string_view line = without_export(trimmed(lines.substr(0, end)));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    const std::string_view name = line.substr(0, line.find('='));
    if (name.size() < line.size() && is_name(name) && name.find('_') != std::string_view::npos &&
        name.find_first_not_of(kUpper) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Dotenv parse() {
    while (at_ < text_.size()) {
      const std::size_t end = std::min(text_.find_first_of(kLineBreaks, at_), text_.size());
      parse_line(end);
    }
    return std::move(result_);
  }

 private:
  void parse_line(std::size_t end) {
    const std::string_view line = trimmed(text_.substr(at_, end - at_));
    if (line.empty() || line.front() == '#') return go_behind(end);
    const std::string_view statement = without_export(line);
    const auto equals = statement.find('=');
    const std::string_view name = trimmed(statement.substr(0, equals));
    if (equals == std::string_view::npos) return skip_statement(statement, end);
    const auto value_at =
        static_cast<std::size_t>(statement.data() - text_.data()) + std::min(equals + 1, end);
    parse_value(name, value_at, end);
  }

  // NAME: VALUE and NAME VALUE want to be a value of that name; a name alone says nothing of it.
  void skip_statement(std::string_view statement, std::size_t end) {
    const std::string_view name = leading_name(statement);
    const std::string_view rest = statement.substr(name.size());
    if (!rest.empty() && (rest.front() == ':' || kBlanks.find(rest.front()) != rest.npos)) {
      blame(name, "there is no '='; write NAME=VALUE");
    }
    result_.skipped.push_back(number_);
    go_behind(end);
  }

  void parse_value(std::string_view name, std::size_t from, std::size_t end) {
    const std::string_view raw = trimmed(text_.substr(from, end - from));
    if (raw.empty() || std::string_view("\"'`").find(raw.front()) == std::string_view::npos) {
      const std::string_view value = without_comment(raw);
      return take(name, std::string(value), asks_for_expansion(value), end);
    }
    const char quote = raw.front();
    const auto open = static_cast<std::size_t>(raw.data() - text_.data());
    const std::size_t close = closing(open + 1, quote);
    if (close == std::string_view::npos) return refuse(name, "a quote does not close", end);
    const std::size_t last = std::min(text_.find_first_of(kLineBreaks, close), text_.size());
    const std::string_view inside = text_.substr(open + 1, close - open - 1);
    const std::string_view rest = trimmed(text_.substr(close + 1, last - close - 1));
    const bool is_clean = rest.empty() || rest.front() == '#';
    if (close < end && !is_clean) {
      return refuse(name, "there is something behind the closing quote", end);
    }
    if (close > end && (!is_clean || has_assignment(text_.substr(end, close - end)))) {
      return refuse(name, "a quote does not close", end);
    }
    const bool is_double = quote == '"';
    take(name, is_double ? without_escapes(inside) : std::string(inside),
         is_double && asks_for_expansion(inside), last);
  }

  [[nodiscard]] std::size_t closing(std::size_t from, char quote) const {
    for (std::size_t i = from; i < text_.size(); ++i) {
      if (text_[i] == quote) return i;
      if (quote == '"' && text_[i] == '\\') ++i;
    }
    return std::string_view::npos;
  }

  void take(std::string_view name, std::string value, bool asks_for_expansion, std::size_t end) {
    if (!is_name(name)) return refuse({}, {}, end);
    if (value.find('\0') != std::string::npos) {
      return refuse(name, "there is a zero byte in the value", end);
    }
    const auto known = result_.values.find(name);
    if (known != result_.values.end() && known->second != value) {
      result_.repeated.push_back(number_);
    }
    result_.values.insert_or_assign(std::string(name), std::move(value));
    result_.troubles.erase(std::string(name));
    if (asks_for_expansion) {
      blame(name, "${…} is not expanded; write the value itself, or put it into '…'");
    }
    go_behind(end);
  }

  void refuse(std::string_view name, std::string_view why, std::size_t end) {
    if (is_name(name)) blame(name, why);
    result_.skipped.push_back(number_);
    go_behind(end);
  }

  void blame(std::string_view name, std::string_view why) {
    result_.troubles.insert_or_assign(std::string(name),
                                      "line " + std::to_string(number_) + ": " + std::string(why));
  }

  // Goes on behind the line that ends at `end`, counting those before it.
  void go_behind(std::size_t end) {
    while (at_ < text_.size()) {
      const std::size_t at = std::min(text_.find_first_of(kLineBreaks, at_), text_.size());
      const bool is_pair = text_.substr(at).starts_with("\r\n");
      at_ = std::min(at + (is_pair ? 2 : 1), text_.size());
      ++number_;
      if (at >= end) return;
    }
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::size_t number_ = 1;
  Dotenv result_;
};

// With a mark, or with a zero for every other byte of the first letters.
bool is_utf16(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) return true;
  if (text.size() < 4) return false;
  const auto zeros = [text](std::size_t from) { return text[from] == 0 && text[from + 2] == 0; };
  return zeros(0) != zeros(1);
}

}  // namespace

Result<Dotenv> parse_dotenv(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (is_utf16(text)) {
    return Error{ErrorCode::kInvalidConfig,
                 "the file is written in UTF-16, as by PowerShell's '>' or Notepad's 'Unicode'; "
                 "save it as UTF-8"};
  }
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return Parser(text).parse();
}

}  // namespace postbox

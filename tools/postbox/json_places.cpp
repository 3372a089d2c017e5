#include "json_places.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace postbox::cli {
namespace {

// Walks over a text without looking at more of it than where values begin and end. A depth is
// counted and not recursed into, however deep a text is.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  [[nodiscard]] std::size_t place() const noexcept { return at_; }

  // Enters a list or an object, when one is next.
  bool enter(char open) {
    skip_blanks();
    return take(open);
  }

  // Goes to the next element or member of what was entered; false behind the last.
  bool go_on(bool is_first) {
    skip_blanks();
    if (!is_first && !take(',')) return false;
    skip_blanks();
    return at_ < text_.size() && text_[at_] != ']' && text_[at_] != '}';
  }

  // A member's name as it is written, and its colon.
  std::string_view take_name() {
    const std::string_view name = take_string();
    skip_blanks();
    take(':');
    skip_blanks();
    return name;
  }

  void skip_value() {
    std::size_t depth = 0;
    do {
      skip_blanks();
      if (at_ >= text_.size()) return;
      const char c = text_[at_];
      if (c == '"') {
        take_string();
      } else {
        ++at_;
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && depth > 0) --depth;
        if (depth == 0 && is_of_word(c)) skip_word();
      }
    } while (depth > 0);
  }

 private:
  static bool is_of_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
           c == 'E';
  }

  void skip_word() {
    while (at_ < text_.size() && is_of_word(text_[at_])) ++at_;
  }

  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view take_string() {
    if (!take('"')) return {};
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_, text_.size());
    const std::string_view inside = text_.substr(begin, at_ - begin);
    take('"');
    return inside;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

struct Step {
  std::string_view name;               // of a member
  std::optional<std::size_t> index{};  // or of an element
};

// Takes the first step from "items[1].unit_price".
Step take_step(std::string_view& path) {
  if (path.starts_with('[')) {
    std::size_t index = 0;
    const auto [end, failed] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
    path.remove_prefix(std::min(path.size(), static_cast<std::size_t>(end - path.data()) + 1));
    if (path.starts_with('.')) path.remove_prefix(1);
    return {.name = {}, .index = failed == std::errc{} ? index : std::string_view::npos};
  }
  const std::size_t length = std::min(path.find_first_of(".["), path.size());
  const Step step{.name = path.substr(0, length)};
  path.remove_prefix(length);
  if (path.starts_with('.')) path.remove_prefix(1);
  return step;
}

// Goes to the value that `step` leads to; false when there is none.
bool go(const Step& step, Walker& walker) {
  if (!walker.enter(step.index ? '[' : '{')) return false;
  std::size_t index = 0;
  while (walker.go_on(index == 0)) {
    if (step.index ? index == *step.index : walker.take_name() == step.name) return true;
    walker.skip_value();
    ++index;
  }
  return false;
}

}  // namespace

std::vector<JsonElement> elements_of(std::string_view text) {
  std::vector<JsonElement> elements;
  Walker walker(text);
  if (!walker.enter('[')) return elements;
  std::size_t line = 1;
  std::size_t counted = 0;  // bytes whose lines are in `line`
  while (walker.go_on(elements.empty())) {
    const std::size_t begin = walker.place();
    line += line_at(text.substr(counted), begin - counted) - 1;
    counted = begin;
    walker.skip_value();
    elements.push_back({text.substr(begin, walker.place() - begin), line});
  }
  return elements;
}

std::size_t line_of(std::string_view text, std::string_view path) {
  Walker walker(text);
  std::size_t place = text.find_first_not_of(" \t\r\n");
  while (!path.empty() && go(take_step(path), walker)) place = walker.place();
  return line_at(text, place);
}

std::size_t line_at(std::string_view text, std::size_t place) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, place), '\n'));
}

}  // namespace postbox::cli

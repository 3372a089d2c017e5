#include "list_query.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "rfc3339.hpp"

namespace sim {
namespace {

class FilterParser {
 public:
  FilterParser(std::string_view text, std::vector<Condition>& conditions)
      : text_(text), conditions_(conditions) {}

  // list := term ("," term)*
  bool parse_list() {
    do {
      if (!parse_term()) return false;
    } while (take(','));
    return true;
  }

  bool at_end() {
    skip_spaces();
    return text_.empty();
  }

 private:
  // term := "and(" list ")" | operator "(" field "," value ")"
  bool parse_term() {
    const std::string name = take_word("(");
    if (name.empty() || !take('(')) return false;
    if (name == "and") return parse_list() && take(')');
    Condition condition;
    condition.op = name;
    condition.field = take_word(",)");
    if (condition.field.empty() || !take(',')) return false;
    if (!parse_values(condition.values) || !take(')')) return false;
    conditions_.push_back(std::move(condition));
    return true;
  }

  bool parse_values(std::vector<std::string>& values) {
    if (!take('[')) return parse_value(values);
    do {
      if (!parse_value(values)) return false;
    } while (take(','));
    return take(']');
  }

  bool parse_value(std::vector<std::string>& values) {
    skip_spaces();
    if (text_.empty()) return false;
    if (text_.front() != '"' && text_.front() != '\'') {
      values.push_back(take_word(",)]"));
      return !values.back().empty();
    }
    const char quote = text_.front();
    std::string value;
    for (std::size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] == quote) {
        text_.remove_prefix(i + 1);
        values.push_back(std::move(value));
        return true;
      }
      if (text_[i] == '\\' && i + 1 < text_.size()) ++i;
      value += text_[i];
    }
    return false;
  }

  std::string take_word(std::string_view end) {
    skip_spaces();
    std::string_view word = text_.substr(0, text_.find_first_of(end));
    text_.remove_prefix(word.size());
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    return std::string(word);
  }

  bool take(char expected) {
    skip_spaces();
    if (text_.empty() || text_.front() != expected) return false;
    text_.remove_prefix(1);
    return true;
  }

  void skip_spaces() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }

  std::string_view text_;
  std::vector<Condition>& conditions_;
};

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return parts;
}

bool is_comparison(const std::string& op) { return op != "equals" && op != "any"; }

void check_condition(Condition& condition, const ListRules& rules, std::vector<Problem>& problems) {
  const auto field = rules.filters.find(condition.field);
  if (field == rules.filters.end() || field->second.count(condition.op) == 0) {
    problems.push_back(invalid_parameter(
        "filter", "'" + condition.op + "' on '" + condition.field + "' is not a valid filter."));
    return;
  }
  if (!is_comparison(condition.op)) return;
  const std::string& value = condition.values.front();
  std::optional<std::int64_t> seconds;
  if (condition.field == "timestamp") {
    seconds = parse_integer(value);
  } else if (const auto time = parse_date_time(value)) {
    seconds = time->time_since_epoch().count();
  }
  if (!seconds) {
    problems.push_back(invalid_parameter("filter", "'" + value + "' is not a valid time."));
    return;
  }
  condition.seconds = *seconds;
}

void read_filter(const Request& request, const ListRules& rules, ListQuery& query,
                 std::vector<Problem>& problems) {
  const std::string text = request.parameter("filter");
  if (text.empty()) return;
  if (!parse_filter(text, query.conditions)) {
    problems.push_back(invalid_parameter("filter", "Invalid filter."));
    return;
  }
  for (Condition& condition : query.conditions) {
    check_condition(condition, rules, problems);
  }
}

void read_page(const Request& request, const ListRules& rules, ListQuery& query,
               std::vector<Problem>& problems) {
  query.page.size = rules.default_size;
  if (request.query.count("page[size]") != 0) {
    const auto size = parse_integer(request.parameter("page[size]"));
    if (!size || *size < 1 || *size > static_cast<std::int64_t>(rules.max_size)) {
      problems.push_back(invalid_parameter(
          "page[size]", "Must be a number from 1 to " + std::to_string(rules.max_size) + "."));
    } else {
      query.page.size = static_cast<std::size_t>(*size);
    }
  }
  const std::string cursor = request.parameter("page[cursor]");
  if (cursor.empty()) return;
  query.page.cursor = decode_cursor(cursor);
  if (!query.page.cursor) {
    problems.push_back(invalid_parameter("page[cursor]", "Invalid cursor."));
  }
}

void read_sort(const Request& request, const ListRules& rules, ListQuery& query,
               std::vector<Problem>& problems) {
  query.page.descending = rules.newest_first;
  std::string field = request.parameter("sort");
  if (field.empty()) return;
  query.page.descending = field.front() == '-';
  if (query.page.descending) field.erase(0, 1);
  if (rules.sorts.count(field) == 0) {
    problems.push_back(invalid_parameter("sort", "'" + field + "' is not a valid sort."));
  }
}

void read_include(const Request& request, const ListRules& rules, ListQuery& query,
                  std::vector<Problem>& problems) {
  for (const std::string& name : split(request.parameter("include"))) {
    if (rules.includes.count(name) == 0) {
      problems.push_back(invalid_parameter("include", "'" + name + "' cannot be included."));
    }
    query.includes.insert(name);
  }
}

void read_fields(const Request& request, ListQuery& query) {
  constexpr std::string_view kPrefix = "fields[";
  for (const auto& [name, value] : request.query) {
    if (name.rfind(kPrefix, 0) != 0 || name.back() != ']') continue;
    auto& shown = query.fields[name.substr(kPrefix.size(), name.size() - kPrefix.size() - 1)];
    for (const std::string& member : split(value)) {
      // "location.city" shows all of the location: enough for a simulator.
      shown.insert(member.substr(0, member.find('.')));
    }
  }
}

}  // namespace

ListQuery read_list_query(const Request& request, const ListRules& rules,
                          std::vector<Problem>& problems) {
  ListQuery query;
  read_filter(request, rules, query, problems);
  read_page(request, rules, query, problems);
  read_sort(request, rules, query, problems);
  read_include(request, rules, query, problems);
  read_fields(request, query);
  for (const std::string& name : split(request.parameter("additional-fields[profile]"))) {
    query.with_subscriptions = query.with_subscriptions || name == "subscriptions";
  }
  return query;
}

bool parse_filter(std::string_view text, std::vector<Condition>& conditions) {
  // The parser recurses once for each "and(": no filter of a client is this long.
  constexpr std::size_t kMaxFilterBytes = 8192;
  if (text.size() > kMaxFilterBytes) return false;
  FilterParser parser(text, conditions);
  return parser.parse_list() && parser.at_end();
}

bool is_one_of(const Condition& condition, const std::string& value) {
  return std::find(condition.values.begin(), condition.values.end(), value) !=
         condition.values.end();
}

bool compare_seconds(const Condition& condition, std::int64_t seconds) {
  if (condition.op == "greater-than") return seconds > condition.seconds;
  if (condition.op == "greater-or-equal") return seconds >= condition.seconds;
  if (condition.op == "less-than") return seconds < condition.seconds;
  return seconds <= condition.seconds;
}

}  // namespace sim

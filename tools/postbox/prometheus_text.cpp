#include "prometheus_text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace postbox::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r";

bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == ':';
}

// Line is what is left of one.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) { skip_blanks(); }

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  [[nodiscard]] bool is_at(char c) const { return !rest_.empty() && rest_.front() == c; }

  bool take(char c) {
    if (!is_at(c)) return false;
    rest_.remove_prefix(1);
    skip_blanks();
    return true;
  }

  // Empty when none stands here.
  std::string name() {
    const auto end = std::ranges::find_if_not(rest_, is_of_name);
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    std::string found(rest_.substr(0, length));
    rest_.remove_prefix(length);
    skip_blanks();
    return found;
  }

  // In quotes, with \\, \" and \n.
  std::optional<std::string> text() {
    if (!is_at('"')) return std::nullopt;
    std::string found;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        skip_blanks();
        return found;
      }
      const bool is_escaped = rest_[i] == '\\' && i + 1 < rest_.size();
      if (is_escaped) ++i;
      found += is_escaped && rest_[i] == 'n' ? '\n' : rest_[i];
    }
    return std::nullopt;
  }

  std::optional<double> number() {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(kBlanks));
    rest_.remove_prefix(word.size());
    skip_blanks();
    if (word == "NaN" || word == "Nan") return std::numeric_limits<double>::quiet_NaN();
    if (word == "+Inf" || word == "Inf") return std::numeric_limits<double>::infinity();
    if (word == "-Inf") return -std::numeric_limits<double>::infinity();
    double value = 0;
    const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
    const char* end = digits.data() + digits.size();
    const auto [rest, failed] = std::from_chars(digits.data(), end, value);
    if (digits.empty() || failed != std::errc{} || rest != end) return std::nullopt;
    return value;
  }

 private:
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
  }

  std::string_view rest_;
};

bool read_labels(Line& line, std::map<std::string, std::string>& labels) {
  if (!line.take('{')) return true;
  while (!line.take('}')) {
    std::string name = line.name();
    if (name.empty() || !line.take('=')) return false;
    auto value = line.text();
    if (!value) return false;
    labels.insert_or_assign(std::move(name), *std::move(value));
    if (!line.take(',') && !line.is_at('}')) return false;
  }
  return true;
}

// A time, which may stand behind the value, is read and left out.
std::optional<MetricSample> sample_of(Line line) {
  MetricSample sample{.name = line.name(), .labels = {}};
  if (sample.name.empty() || !read_labels(line, sample.labels)) return std::nullopt;
  const auto value = line.number();
  if (!value || (!line.is_at_end() && !line.number()) || !line.is_at_end()) return std::nullopt;
  sample.value = *value;
  return sample;
}

}  // namespace

Result<std::vector<MetricSample>> parse_prometheus(std::string_view text) {
  std::vector<MetricSample> samples;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const Line line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.is_at_end() || line.is_at('#')) continue;
    auto sample = sample_of(line);
    if (!sample) {
      return Error{ErrorCode::kInvalidArgument, "line " + std::to_string(number) +
                                                    " is none of Prometheus' text format; expected "
                                                    "name{label=\"value\"} number"};
    }
    samples.push_back(*std::move(sample));
  }
  return samples;
}

}  // namespace postbox::cli

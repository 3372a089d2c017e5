#include "output.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iomanip>
#include <klaviyo/redact.hpp>
#include <ostream>
#include <sstream>
#include <utility>

namespace postbox::cli {
namespace {

// In characters, as far as each takes one column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string with_blanks(const std::string& text, std::size_t width, bool to_the_right) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return to_the_right ? blanks + text : text + blanks;
}

struct Line {
  std::string name;
  std::string value;
};

Line line_of(const std::string& name, const Json& value) {
  constexpr std::string_view kTime = "_ms";
  if (name.ends_with(kTime) && value.is_number()) {
    return {name.substr(0, name.size() - kTime.size()),
            in_words(std::chrono::milliseconds(value.get<std::int64_t>()))};
  }
  return {name, value.is_string() ? value.get<std::string>() : value.dump()};
}

}  // namespace

void write_json(std::ostream& out, const Json& json) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

int fail(Console& console, const Error& error) {
  std::istringstream lines(error.message);
  for (std::string line; std::getline(lines, line);) {
    console.err << "postbox: " << printable(line) << '\n';
  }
  return kProblem;
}

LogSink warnings_to(std::ostream& err, std::shared_ptr<std::mutex> writing) {
  return [&err, writing = std::move(writing)](LogLevel level, std::string_view line) {
    if (level < LogLevel::kWarn) return;
    const std::lock_guard lock(*writing);
    err << printable(line) << '\n';
  };
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are C2 80 to C2 9F.
    const bool is_c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    shown += byte < 0x20 || byte == 0x7F || is_c1 ? '?' : text[i];
  }
  return shown;
}

std::string typed(std::string_view text) {
  constexpr std::size_t kMost = 1'000;
  return klaviyo::redact(printable(text), kMost);
}

std::string in_words(std::chrono::milliseconds time) {
  struct Unit {
    std::chrono::milliseconds size;
    const char* name;
  };
  using std::chrono::days;
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  const std::array<Unit, 4> units{
      {{days(1), "d"}, {hours(1), "h"}, {minutes(1), "m"}, {seconds(1), "s"}}};
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (time < units[i].size) continue;
    std::string words = std::to_string(time / units[i].size) + units[i].name;
    if (i + 1 == units.size()) return words;
    const auto rest = time % units[i].size / units[i + 1].size;
    return rest == 0 ? words : words + ' ' + std::to_string(rest) + units[i + 1].name;
  }
  return std::to_string(time.count()) + "ms";
}

std::string in_size(std::uint64_t bytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1'024) return std::to_string(bytes) + " B";
  double size = static_cast<double>(bytes) / 1'024;
  std::size_t unit = 0;
  for (; size >= 1'024 && unit + 1 < kUnits.size(); ++unit) size /= 1'024;
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << size << ' ' << kUnits.at(unit);
  return text.str();
}

void write_members(std::ostream& out, const Json& object) {
  std::vector<Line> lines;
  std::size_t width = 0;
  for (const auto& [name, value] : object.items()) {
    lines.push_back(line_of(name, value));
    width = std::max(width, width_of(lines.back().name));
  }
  for (const Line& line : lines) {
    out << with_blanks(line.name, width, false) << "  " << printable(line.value) << '\n';
  }
}

void Table::add(const std::vector<std::string>& row) {
  auto& cells = rows_.emplace_back();
  for (const std::string& cell : row) cells.push_back(printable(cell));
}

void Table::write(std::ostream& out) const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> widths(columns, 0);
  std::vector<bool> numbers(columns, rows_.size() > 1);
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    for (std::size_t i = 0; i < columns; ++i) {
      widths[i] = std::max(widths[i], width_of(rows_[row][i]));
      if (row > 0) numbers[i] = numbers[i] && is_number(rows_[row][i]);
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i) {
      line += (i == 0 ? "" : "  ") + with_blanks(row[i], widths[i], numbers[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

}  // namespace postbox::cli

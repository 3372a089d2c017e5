#include "csv_source.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <klaviyo/schemas/currency.hpp>
#include <utility>

namespace postbox::cli {
namespace {

Error wrong(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// The one that the heading has most of, outside quotation marks.
char guessed_delimiter(std::string_view heading) {
  constexpr std::array kDelimiters{',', ';', '\t'};
  std::array<std::size_t, kDelimiters.size()> counts{};
  bool is_quoted = false;
  for (const char c : heading) {
    if (c == '"') is_quoted = !is_quoted;
    for (std::size_t i = 0; i < kDelimiters.size() && !is_quoted; ++i) {
      counts.at(i) += c == kDelimiters.at(i) ? 1 : 0;
    }
  }
  const auto most = std::ranges::max_element(counts) - counts.begin();
  return kDelimiters.at(static_cast<std::size_t>(most));
}

Result<char> delimiter_of(const std::string& option, std::string_view heading) {
  if (option.empty()) return guessed_delimiter(heading);
  if (option == "\\t" || option == "tab") return '\t';
  if (option.size() == 1) return option.front();
  return wrong("--delimiter: '" + option + "' is no single character; expected ',' ';' or tab");
}

std::string in_quotes(std::string_view cell) {
  std::string text(2 * cell.size() + 2, '\0');
  text.resize(csv_write(text.data(), text.size(), cell.data(), cell.size()));
  return text;
}

}  // namespace

CsvRows::CsvRows(LineReader lines, char delimiter) : lines_(std::move(lines)) {
  csv_init(&parser_, 0);
  csv_set_delim(&parser_, static_cast<unsigned char>(delimiter));
}

Result<bool> CsvRows::next(CsvRow& row) {
  for (;;) {
    const auto found = read(row);
    if (!found || !*found) return found;
    if (!std::ranges::all_of(row.cells, &std::string::empty)) return true;
  }
}

Result<bool> CsvRows::read(CsvRow& row) {
  struct Parsed {
    std::vector<std::string>& cells;
    bool is_whole = false;
  } parsed{row.cells};
  const auto add_cell = [](void* cell, std::size_t size, void* to) {
    static_cast<Parsed*>(to)->cells.emplace_back(static_cast<const char*>(cell), size);
  };
  const auto end_row = [](int, void* of) { static_cast<Parsed*>(of)->is_whole = true; };

  row = {};
  std::string line;
  while (!parsed.is_whole) {
    const bool is_there = lines_.next(line);
    const bool is_first = row.line == 0;
    if (is_first) {
      if (!is_there) return false;
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      row.line = lines_.number();
    }
    if (!is_there || lines_.is_cut() || row.text.size() + line.size() > LineReader::kLongest) {
      return wrong("line " + std::to_string(row.line) +
                   ": a quotation mark is not closed there, or the row is too long: nothing "
                   "behind it can be read");
    }
    if (!is_first) row.text += '\n';
    row.text += line;
    line += '\n';
    if (csv_parse(&parser_, line.data(), line.size(), add_cell, end_row, &parsed) != line.size()) {
      return wrong("line " + std::to_string(row.line) + ": " + csv_strerror(csv_error(&parser_)));
    }
  }
  return true;
}

bool RecentIds::add(std::string_view id) {
  // Zero is an empty place.
  const std::uint64_t hash = std::hash<std::string_view>{}(id) | 1U;
  std::uint64_t& place = seen_[(hash >> 1U) % kPlaces];
  return std::exchange(place, hash) != hash;
}

Result<std::unique_ptr<CsvSource>> CsvSource::open(LineReader lines, const std::string& type,
                                                   const CsvOptions& options) {
  std::string heading;
  if (!lines.next(heading)) return wrong("there is nothing in it");
  const auto delimiter = delimiter_of(options.delimiter, heading);
  if (!delimiter) return delimiter.error();
  lines.give_back(std::move(heading));
  std::unique_ptr<CsvSource> source(new CsvSource(std::move(lines), *delimiter, options));
  if (auto ok = source->read_heading(type); !ok) return ok.error();
  return source;
}

Result<void> CsvSource::read_heading(const std::string& type) {
  if (const auto read = rows_.next(heading_); !read) return read.error();
  const auto is_mapped = [this](const std::string& path) {
    const auto to_path = [&](const auto& pair) { return pair.second == path; };
    return std::ranges::any_of(options_.map, to_path) ||
           std::ranges::find(heading_.cells, path) != heading_.cells.end();
  };
  type_ = !type.empty() ? type : is_mapped("subscription_id") ? "subscription" : "order";
  const std::string id = type_ + "_id";
  if (auto ok = map_columns(); !ok) return ok.error();
  if (auto ok = map_constants(); !ok) return ok.error();
  const auto is_id = [&](const auto& column) { return column && column->path == id; };
  const auto found = std::ranges::find_if(columns_, is_id);
  if (found == columns_.end()) {
    return wrong("no column is called " + id + ": name the one that has it, --map 'Order no=" + id +
                 "'");
  }
  id_column_ = static_cast<std::size_t>(found - columns_.begin());
  has_lines_ = std::ranges::any_of(columns_,
                                   [](const auto& column) { return column && column->is_of_line; });
  cells_.time_format = options_.time_format;
  cells_.utc_offset = options_.utc_offset;
  return {};
}

// A heading is a member's path by --map, or by itself.
Result<void> CsvSource::map_columns() {
  for (const auto& [heading, path] : options_.map) {
    if (std::ranges::find(heading_.cells, heading) == heading_.cells.end()) {
      return wrong("--map: there is no column '" + heading + "'");
    }
  }
  std::string unknown;
  for (const std::string& heading : heading_.cells) {
    const auto mapped =
        std::ranges::find(options_.map, heading, &std::pair<std::string, std::string>::first);
    const bool is_mapped = mapped != options_.map.end();
    const std::string& path = is_mapped ? mapped->second : heading;
    std::optional<CsvColumn> column;
    if (!path.empty()) {
      auto known = csv_column(type_, path);
      if (!known && is_mapped) return wrong("--map: " + known.error().message);
      if (!known) unknown += (unknown.empty() ? "'" : ", '") + heading + "'";
      if (known) column = *std::move(known);
    }
    const auto is_same = [&](const auto& other) {
      return column && other && other->path == column->path;
    };
    if (std::ranges::any_of(columns_, is_same)) {
      return wrong("two columns are " + path + ": leave one out with --map 'HEADING='");
    }
    columns_.push_back(std::move(column));
  }
  if (!unknown.empty()) {
    notes_.push_back("columns that are left out, since --map does not say what they are: " +
                     unknown);
  }
  return {};
}

Result<void> CsvSource::map_constants() {
  for (const auto& [path, value] : options_.set) {
    auto column = csv_column(type_, path);
    if (!column) return wrong("--set: " + column.error().message);
    constants_.emplace_back(*std::move(column), value);
  }
  return {};
}

const std::string& CsvSource::id_of(const CsvRow& row) const {
  static const std::string none;
  return id_column_ < row.cells.size() ? row.cells[id_column_] : none;
}

Result<bool> CsvSource::read_row() {
  if (row_) return true;
  CsvRow row;
  auto read = rows_.next(row);
  if (read && *read) row_ = std::move(row);
  return read;
}

Result<bool> CsvSource::next(SourceRecord& record) {
  if (auto read = read_row(); !read || !*read) return read;
  record = {.line = row_->line, .rows = {}, .type = type_};
  if (auto ok = take_rows(record); !ok) return ok.error();
  read_members(record);
  return true;
}

// Takes the row that was read, and those behind it that are of the same order.
Result<void> CsvSource::take_rows(SourceRecord& record) {
  constexpr std::size_t kMostRows = 10'000;  // an order has 4,000 lines at most
  const std::string id = id_of(*row_);
  first_cells_.assign(columns_.size(), {});
  lines_.clear();
  bool has_more = true;
  while (has_more) {
    if (record.rows.size() == kMostRows) {
      return wrong("line " + std::to_string(record.line) + ": the order has more than " +
                   std::to_string(kMostRows) + " rows: is it the right column?");
    }
    add_row(*row_, record);
    record.rows.push_back(std::move(row_->text));
    row_.reset();
    const auto read = read_row();
    if (!read) return read.error();
    has_more = *read && has_lines_ && !id.empty() && id_of(*row_) == id;
  }
  if (!has_lines_ || id.empty() || ids_.add(id)) return {};
  return wrong("line " + std::to_string(record.line) +
               ": the order stands further up, too: the rows of an order must be next to each "
               "other. Sort the file by that column, and import the sorted one");
}

void CsvSource::add_row(const CsvRow& row, SourceRecord& record) {
  if (row.cells.size() != columns_.size()) {
    record.violations.push_back({"line " + std::to_string(row.line),
                                 "has " + std::to_string(row.cells.size()) +
                                     " cells; the heading has " + std::to_string(columns_.size())});
    return;
  }
  std::vector<std::string> line(columns_.size());
  bool has_line = false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string& cell = row.cells[i];
    if (!columns_[i] || cell.empty()) continue;
    if (columns_[i]->is_of_line) {
      line[i] = cell;
      has_line = true;
    } else if (first_cells_[i].empty()) {
      first_cells_[i] = cell;
    } else if (first_cells_[i] != cell) {
      record.violations.push_back({columns_[i]->path, "must be the same in all rows of the order"});
    }
  }
  if (has_line) lines_.push_back(std::move(line));
}

void CsvSource::read_cell(const CsvColumn& column, const std::string& cell, nlohmann::json& object,
                          const std::string& place, SourceRecord& record) const {
  constexpr std::string_view kLines = "items[].";
  if (cell.empty()) return;
  const std::string_view path = column.path;
  auto value = cells_.read(column.kind, cell);
  if (!value) {
    const std::string name(column.is_of_line ? path.substr(kLines.size()) : path);
    record.violations.push_back({place + name, value.error().message});
  } else {
    set_member(object, column.is_of_line ? path.substr(kLines.size()) : path, *std::move(value));
  }
}

void CsvSource::read_members(SourceRecord& record) {
  cells_.currency_exponent = -1;
  const auto see_currency = [this](const CsvColumn& column, const std::string& cell) {
    if (column.path != "currency") return;
    const klaviyo::Currency currency(cell);
    if (currency.is_known()) cells_.currency_exponent = currency.exponent();
  };
  for (const auto& [column, cell] : constants_) see_currency(column, cell);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i]) see_currency(*columns_[i], first_cells_[i]);
  }

  nlohmann::json object = nlohmann::json::object();
  if (has_lines_) object["items"] = nlohmann::json::array();
  for (const std::vector<std::string>& line : lines_) {
    nlohmann::json& item = object["items"].emplace_back(nlohmann::json::object());
    const std::string place = "items[" + std::to_string(object["items"].size() - 1) + "].";
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i]) read_cell(*columns_[i], line[i], item, place, record);
    }
    for (const auto& [column, cell] : constants_) {
      if (column.is_of_line) read_cell(column, cell, item, place, record);
    }
  }
  for (const auto& [column, cell] : constants_) {
    if (!column.is_of_line) read_cell(column, cell, object, "", record);
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i]) read_cell(*columns_[i], first_cells_[i], object, "", record);
  }
  record.json = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The length of each part stands before it, so that no two forms are the same text.
std::string CsvSource::form() const {
  std::string form = "csv";
  const auto add = [&form](std::string_view part) {
    form += ' ' + std::to_string(part.size()) + ':';
    form += part;
  };
  add(type_);
  add(std::string(1, delimiter_));
  add(heading_.text);
  for (const auto& pairs : {options_.map, options_.set}) {
    add(std::to_string(pairs.size()));
    for (const auto& [first, second] : pairs) {
      add(first);
      add(second);
    }
  }
  add(options_.time_format);
  add(options_.utc_offset);
  return form;
}

std::string CsvSource::rejected_heading() const {
  return heading_.text + delimiter_ + "rejected_line" + delimiter_ + "rejected_reason\n";
}

// As they stand in the file: when they are mended they can be imported as that was, and the two
// cells are left out.
std::string CsvSource::rejected_lines(const SourceRecord& record, const std::string& reason) const {
  const std::string added =
      delimiter_ + std::to_string(record.line) + delimiter_ + in_quotes(reason) + '\n';
  std::string lines;
  for (const std::string& row : record.rows) lines += row + added;
  return lines;
}

}  // namespace postbox::cli

// CsvSource reads records from CSV: a heading, and rows of which those of one order stand together.
#pragma once

#include <csv.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "csv_columns.hpp"
#include "line_reader.hpp"
#include "record_source.hpp"

namespace postbox::cli {

// A row, which may have several lines where a cell has.
struct CsvRow {
  std::size_t line = 0;
  std::string text{};
  std::vector<std::string> cells{};
};

// Rows of a file, by libcsv.
class CsvRows {
 public:
  CsvRows(LineReader lines, char delimiter);
  ~CsvRows() { csv_free(&parser_); }
  CsvRows(const CsvRows&) = delete;
  CsvRows& operator=(const CsvRows&) = delete;

  // Reads the next row that has a cell with something in it; false at the end. Fails where a
  // quotation mark is not closed.
  [[nodiscard]] Result<bool> next(CsvRow& row);

  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return lines_.bytes_read(); }

 private:
  [[nodiscard]] Result<bool> read(CsvRow& row);

  LineReader lines_;
  csv_parser parser_{};
};

// Which ids were there before, of the last millions: the one that takes another's place is a new
// one to it. In memory of one size.
class RecentIds {
 public:
  RecentIds() : seen_(kPlaces) {}

  // False when it was there.
  [[nodiscard]] bool add(std::string_view id);

 private:
  static constexpr std::size_t kPlaces = 2'097'152;  // 16 MiB
  std::vector<std::uint64_t> seen_;
};

class CsvSource : public RecordSource {
 public:
  // Fails for headings that are not understood, saying which.
  [[nodiscard]] static Result<std::unique_ptr<CsvSource>> open(LineReader lines,
                                                               const std::string& type,
                                                               const CsvOptions& options);

  Result<bool> next(SourceRecord& record) override;
  std::string form() const override;
  std::string rejected_heading() const override;
  std::string rejected_lines(const SourceRecord& record, const std::string& reason) const override;
  const std::vector<std::string>& notes() const override { return notes_; }
  std::uint64_t bytes_read() const noexcept override { return rows_.bytes_read(); }

 private:
  CsvSource(LineReader lines, char delimiter, CsvOptions options)
      : rows_(std::move(lines), delimiter), delimiter_(delimiter), options_(std::move(options)) {}

  Result<void> read_heading(const std::string& type);
  Result<void> map_columns();
  Result<void> map_constants();
  Result<bool> read_row();
  [[nodiscard]] const std::string& id_of(const CsvRow& row) const;
  Result<void> take_rows(SourceRecord& record);
  void add_row(const CsvRow& row, SourceRecord& record);
  void read_members(SourceRecord& record);
  void read_cell(const CsvColumn& column, const std::string& cell, nlohmann::json& object,
                 const std::string& place, SourceRecord& record) const;

  CsvRows rows_;
  const char delimiter_;
  const CsvOptions options_;
  CsvRow heading_;
  std::string type_;
  std::vector<std::optional<CsvColumn>> columns_;  // as the heading has them
  std::size_t id_column_ = 0;
  bool has_lines_ = false;
  std::vector<std::pair<CsvColumn, std::string>> constants_;
  std::vector<std::string> notes_;
  RecentIds ids_;
  CellReader cells_;

  // The row that was read last, where it belongs to the next record.
  std::optional<CsvRow> row_;

  // Of the record that is being read: the first cell of each column that is not empty, and the
  // cells of its lines.
  std::vector<std::string> first_cells_;
  std::vector<std::vector<std::string>> lines_;
};

}  // namespace postbox::cli

#include "record_source.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "csv_source.hpp"
#include "line_reader.hpp"
#include "record_check.hpp"

namespace postbox::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

template <class Json>
Json parsed(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

class JsonLines : public RecordSource {
 public:
  JsonLines(LineReader lines, std::string type)
      : lines_(std::move(lines)), type_(std::move(type)) {}

  Result<bool> next(SourceRecord& record) override {
    std::string line;
    do {
      if (!lines_.next(line)) return false;
    } while (line.find_first_not_of(kBlanks) == std::string::npos);
    record = {.line = lines_.number()};
    if (lines_.is_cut()) {
      record.violations.push_back(
          {"body", "must have at most " + std::to_string(LineReader::kLongest) + " bytes"});
    }
    record.type = type_;
    if (type_.empty()) record.type = guess_type(parsed<nlohmann::json>(line));
    record.json = line;
    record.rows.push_back(std::move(line));
    return true;
  }

  std::string form() const override { return "json " + type_; }
  std::string rejected_heading() const override { return {}; }
  std::string rejected_lines(const SourceRecord& record, const std::string& reason) const override {
    nlohmann::ordered_json line{{"line", record.line}, {"reason", reason}};
    auto value = parsed<nlohmann::ordered_json>(record.rows.front());
    if (value.is_discarded()) {
      line["text"] = record.rows.front();
    } else {
      line["record"] = std::move(value);
    }
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  }
  const std::vector<std::string>& notes() const override { return notes_; }
  std::uint64_t bytes_read() const noexcept override { return lines_.bytes_read(); }

 private:
  LineReader lines_;
  const std::string type_;
  const std::vector<std::string> notes_;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_source(std::istream& in, const std::string& type,
                                                  const CsvOptions& csv) {
  LineReader lines(in);
  std::string line;
  std::size_t first = std::string::npos;
  while (first == std::string::npos && lines.next(line)) first = line.find_first_not_of(kBlanks);
  if (first == std::string::npos)
    return Error{ErrorCode::kInvalidArgument, "there is nothing in it"};
  const char begin = line[first];
  if (begin == '[') {
    return Error{ErrorCode::kInvalidArgument,
                 "a list of JSON would have to be in memory as a whole: make lines of it, "
                 "jq -c '.[]' list.json > lines.jsonl"};
  }
  lines.give_back(std::move(line));
  if (begin == '{') {
    return std::unique_ptr<RecordSource>(std::make_unique<JsonLines>(std::move(lines), type));
  }
  auto source = CsvSource::open(std::move(lines), type, csv);
  if (!source) return source.error();
  return std::unique_ptr<RecordSource>(*std::move(source));
}

}  // namespace postbox::cli

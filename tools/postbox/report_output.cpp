#include "report_output.hpp"

#include <algorithm>
#include <map>
#include <ostream>
#include <utility>

#include "event_text.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

const char* name_of(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kNotAtKlaviyo:
      return "not_at_klaviyo";
    case DifferenceKind::kNotInFile:
      return "not_in_file";
    case DifferenceKind::kDifferent:
      return "different";
    case DifferenceKind::kTwiceAtKlaviyo:
      return "twice_at_klaviyo";
    case DifferenceKind::kTwiceInFile:
      break;
  }
  return "twice_in_file";
}

const char* words_of(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kNotAtKlaviyo:
      return "in the file and not at Klaviyo";
    case DifferenceKind::kNotInFile:
      return "at Klaviyo and not in the file";
    case DifferenceKind::kDifferent:
      return "with another value, currency or day";
    case DifferenceKind::kTwiceAtKlaviyo:
      return "more than once at Klaviyo";
    case DifferenceKind::kTwiceInFile:
      break;
  }
  return "more than once in the file, compared once";
}

std::string side_text(const SideEvent& event) {
  const std::string currency(event.currency.code());
  return day_text(event.day) + ' ' + event.value.to_text(event.currency) +
         (currency.empty() ? "" : " " + currency);
}

std::string text_of(const Difference& difference) {
  std::string text =
      difference.metric + ' ' +
      (difference.id.empty() ? "without a unique_id" : shown_key(difference.id, false));
  if (difference.klaviyo) text += ", at Klaviyo " + side_text(*difference.klaviyo);
  if (difference.shop) text += ", in the file " + side_text(*difference.shop);
  return text;
}

Json side_json(const SideEvent& event) {
  return {{"day", day_text(event.day)},
          {"value_minor", event.value.minor(event.currency)},
          {"currency", event.currency.code()}};
}

Json json_of(const Difference& difference) {
  Json json{{"metric", difference.metric}, {"id", shown_key(difference.id, false)}};
  if (difference.klaviyo) json["klaviyo"] = side_json(*difference.klaviyo);
  if (difference.shop) json["file"] = side_json(*difference.shop);
  return json;
}

// The differences of each kind, in the order of kinds.
std::vector<std::vector<Difference>> by_kind(const std::vector<Difference>& differences) {
  std::vector<std::vector<Difference>> kinds;
  for (const Difference& difference : differences) {
    if (kinds.empty() || kinds.back().front().kind != difference.kind) kinds.emplace_back();
    kinds.back().push_back(difference);
  }
  return kinds;
}

// A line for each metric and currency, of all days.
std::vector<DayLine> totals_of(const std::vector<DayLine>& lines) {
  std::map<std::pair<std::string, std::string>, DayLine> totals;
  for (const DayLine& line : lines) {
    DayLine& total = totals[{line.metric, line.currency}];
    total.metric = line.metric;
    total.currency = line.currency;
    total.klaviyo.count += line.klaviyo.count;
    total.klaviyo.value += line.klaviyo.value;
    total.shop.count += line.shop.count;
    total.shop.value += line.shop.value;
  }
  std::vector<DayLine> all;
  for (auto& [key, total] : totals) all.push_back(std::move(total));
  return all;
}

void add_row(Table& table, const std::string& day, const DayLine& line, bool has_file) {
  const klaviyo::Currency currency(line.currency);
  std::vector<std::string> row = {day, line.metric, line.currency,
                                  std::to_string(line.klaviyo.count),
                                  line.klaviyo.value.to_text(currency)};
  if (has_file) {
    const auto count = static_cast<std::int64_t>(line.klaviyo.count - line.shop.count);
    const Amount value = line.klaviyo.value - line.shop.value;
    row.push_back(std::to_string(line.shop.count));
    row.push_back(line.shop.value.to_text(currency));
    row.push_back(line.differs() ? std::to_string(count) : "");
    row.push_back(line.differs() ? value.to_text(currency) : "");
  }
  table.add(row);
}

void write_table(const ReportResult& result, std::ostream& out) {
  std::vector<std::string> headings = {"day", "metric", "currency", "Klaviyo", "value"};
  if (result.has_file) headings.insert(headings.end(), {"file", "value", "difference", "value"});
  Table table(headings);
  for (const DayLine& line : result.lines) {
    add_row(table, day_text(line.day), line, result.has_file);
  }
  for (const DayLine& total : totals_of(result.lines)) {
    add_row(table, "all", total, result.has_file);
  }
  table.write(out);
}

Json line_json(const DayLine& line, bool has_file) {
  const klaviyo::Currency currency(line.currency);
  const auto side = [&currency](const SideTotal& total) {
    return Json{{"count", total.count}, {"value_minor", total.value.minor(currency)}};
  };
  Json json{{"day", day_text(line.day)},
            {"metric", line.metric},
            {"currency", line.currency},
            {"klaviyo", side(line.klaviyo)}};
  if (has_file) json["file"] = side(line.shop);
  return json;
}

}  // namespace

void write_for_people(const ReportResult& result, std::ostream& out) {
  out << "days by UTC" << result.utc_offset;
  if (result.account) {
    out << ", account " << printable(result.account->name) << ", whose own reports are in "
        << printable(result.account->time_zone);
  }
  out << "\n\n";
  write_table(result, out);
  for (const auto& kind : by_kind(result.differences)) {
    out << '\n' << kind.size() << ' ' << words_of(kind.front().kind) << ":\n";
    for (std::size_t i = 0; i < std::min(kind.size(), result.max); ++i) {
      out << "  " << printable(text_of(kind[i])) << '\n';
    }
    if (kind.size() > result.max) {
      out << "  and " << kind.size() - result.max << " more (--max)\n";
    }
  }
  if (!result.has_file) return;
  out << '\n';
  if (result.outside > 0) {
    out << counted(result.outside, "record") << " of the file are of other days\n";
  }
  if (result.unreadable > 0) {
    out << counted(result.unreadable, "record")
        << " of the file could not be read: postbox validate says why\n";
  }
  out << (result.is_same() ? "Klaviyo and the file agree\n" : "Klaviyo and the file differ\n");
}

void write_for_machines(const ReportResult& result, std::ostream& out) {
  Json json{{"from", result.from},
            {"to", result.to},
            {"utc_offset", result.utc_offset},
            {"account", nullptr},
            {"same", result.is_same()},
            {"days", Json::array()},
            {"differences", Json::object()},
            {"unreadable", result.unreadable},
            {"of_other_days", result.outside}};
  if (result.account) {
    json["account"] = {{"id", result.account->id}, {"time_zone", result.account->time_zone}};
  }
  for (const DayLine& line : result.lines) json["days"].push_back(line_json(line, result.has_file));
  for (const auto& kind : by_kind(result.differences)) {
    Json first = Json::array();
    for (std::size_t i = 0; i < std::min(kind.size(), result.max); ++i) {
      first.push_back(json_of(kind[i]));
    }
    json["differences"][name_of(kind.front().kind)] = {{"count", kind.size()},
                                                       {"first", std::move(first)}};
  }
  write_json(out, json);
}

}  // namespace postbox::cli

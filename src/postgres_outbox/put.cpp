#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <postbox/postgres_put.hpp>

#include "base/record_checksum.hpp"
#include "postgres/server_error.hpp"

namespace postbox {
namespace {

// Those of postbox_put(), in its order; the first five are all that a record without a Timing has.
struct Column {
  std::string_view name;
  std::string_view type;
};
constexpr std::array kColumns{
    Column{"queue_id", "bigint"},      Column{"dedup_key", "uuid"},
    Column{"profile_key", "uuid"},     Column{"payload", "bytea"},
    Column{"checksum", "bigint"},      Column{"slot", "uuid"},
    Column{"as_of", "bigint"},         Column{"debounce", "bigint"},
    Column{"cancels", "uuid[]"},       Column{"effects_only", "boolean"},
    Column{"in_order", "boolean"},     Column{"timer_delay", "bigint"},
    Column{"timer_keys", "uuid[]"},    Column{"timer_queue_id", "bigint"},
    Column{"timer_dedup_key", "uuid"}, Column{"timer_profile_key", "uuid"},
    Column{"timer_payload", "bytea"},  Column{"timer_checksum", "bigint"},
};
constexpr std::size_t kPlainColumns = 5;

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr unsigned kBase = 16;
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) / kBase];
    text += kDigits[std::to_integer<unsigned>(byte) % kBase];
  }
  return text;
}

using Cell = std::optional<std::string>;

Cell cell(std::int64_t value) { return std::to_string(value); }
Cell cell(bool value) { return value ? "t" : "f"; }
Cell cell(const Key& key) { return hex_of(key); }
Cell cell(std::string_view bytes) { return "\\x" + hex_of(std::as_bytes(std::span(bytes))); }
Cell cell(const std::vector<Key>& keys) {
  std::string text = "{";
  for (const Key& key : keys) text += (text.size() > 1 ? "," : "") + hex_of(key);
  return text + '}';
}

std::int64_t number_of(QueueId queue) { return static_cast<std::int64_t>(queue); }

std::vector<Cell> row_of(const EventRecord& record, bool has_timings) {
  std::vector<Cell> row{cell(number_of(record.queue)), cell(record.dedup_key),
                        cell(record.profile_key), cell(std::string_view(record.payload)),
                        cell(checksum_of(record.dedup_key, record.payload))};
  if (!has_timings) return row;
  const Timing none;
  const Timing& timing = record.timing ? *record.timing : none;
  row.push_back(record.timing ? cell(timing.slot) : Cell());
  row.push_back(record.timing ? cell(std::int64_t{timing.as_of.time_since_epoch().count()})
                              : Cell());
  row.push_back(cell(std::int64_t{timing.debounce.count()}));
  row.push_back(cell(timing.cancels));
  row.push_back(cell(timing.effects_only));
  row.push_back(cell(timing.in_order));
  row.resize(kColumns.size());
  row[12] = "{}";
  if (!timing.timer) return row;
  const EventRecord& event = timing.timer->event;
  row[11] = cell(std::int64_t{timing.timer->delay.count()});
  row[12] = cell(timing.timer->cancelled_by);
  row[13] = cell(number_of(event.queue));
  row[14] = cell(event.dedup_key);
  row[15] = cell(event.profile_key);
  row[16] = cell(std::string_view(event.payload));
  row[17] = cell(checksum_of(event.dedup_key, event.payload));
  return row;
}

// A backslash in a literal means what standard_conforming_strings says; here there is none.
std::string literal(const Cell& value, std::string_view type) {
  if (!value) return "NULL";
  if (type != "bytea") return "'" + *value + "'";
  return "decode('" + value->substr(2) + "', 'hex')";
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) text.append(c == '"' ? 2 : 1, c);
  return text + '"';
}

// "SELECT postbox_put(e.queue_id, …) FROM (VALUES " and what stands behind the rows.
std::pair<std::string, std::string> around(std::size_t columns, std::string_view schema) {
  std::string names;
  std::string values;
  for (const Column& column : std::span(kColumns).first(columns)) {
    names.append(names.empty() ? "" : ", ").append(column.name);
    values.append(values.empty() ? "e." : ", e.").append(column.name);
  }
  const std::string function = schema.empty() ? "" : quoted(schema) + ".";
  return {"SELECT " + function + "postbox_put(" + values + ") FROM (VALUES ",
          ") AS e(" + names + ")"};
}

}  // namespace

PostgresStatement postgres_statement(const EventDraft& draft, std::string_view schema) {
  PostgresStatement statement;
  if (draft.records.empty()) return statement;
  const bool has_timings = std::ranges::any_of(
      draft.records, [](const EventRecord& record) { return static_cast<bool>(record.timing); });
  const std::size_t columns = has_timings ? kColumns.size() : kPlainColumns;
  const auto [before, behind] = around(columns, schema);
  statement.sql = before;
  statement.in_full = before;
  for (const EventRecord& record : draft.records) {
    std::vector<Cell> row = row_of(record, has_timings);
    const bool is_first = statement.parameters.empty();
    for (std::size_t i = 0; i < columns; ++i) {
      const std::string_view start = i > 0 ? ", " : is_first ? "(" : ", (";
      const std::string type = "::" + std::string(kColumns.at(i).type);
      statement.in_full.append(start).append(literal(row[i], kColumns.at(i).type)).append(type);
      statement.parameters.push_back(std::move(row[i]));
      statement.sql.append(start).append("$" + std::to_string(statement.parameters.size()) + type);
    }
    statement.sql += ')';
    statement.in_full += ')';
  }
  statement.sql += behind;
  statement.in_full += behind;
  return statement;
}

Result<void> put(pg_conn* connection, const EventDraft& draft, std::string_view schema) try {
  const PGTransactionStatusType state = PQtransactionStatus(connection);
  if (state != PQTRANS_INTRANS && state != PQTRANS_INERROR) {
    return Error{ErrorCode::kInvalidArgument,
                 "put() needs an open transaction, that of the order: BEGIN comes first"};
  }
  const PostgresStatement statement = postgres_statement(draft, schema);
  if (statement.sql.empty()) return {};
  std::vector<const char*> values;
  for (const auto& value : statement.parameters) values.push_back(value ? value->c_str() : nullptr);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexecParams(connection, statement.sql.c_str(), static_cast<int>(values.size()), nullptr,
                   values.data(), nullptr, nullptr, 0),
      &PQclear);
  if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) return {};
  return postgres::statement_failure(connection, result.get()).error().with_context("put");
} catch (...) {
  return Error{ErrorCode::kInternal, "put: out of memory"};
}

}  // namespace postbox

#include "server_error.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace postbox::postgres {
namespace {

using Fate = Failure::Connection;

struct Meaning {
  std::string_view state;  // an SQLSTATE, or how it begins
  ErrorCode code;
  Fate connection;
  std::string_view advice;
  bool refuses_values = false;
};

constexpr std::string_view kValues =
    "a type, a constraint or a trigger refuses these values; they are kept, and tried again";

// The first that fits. https://www.postgresql.org/docs/current/errcodes-appendix.html
constexpr std::array kMeanings = {
    Meaning{"53100", ErrorCode::kOutboxFull, Fate::kGood,
            "free some disk space on the server, the outbox goes on by itself"},
    Meaning{"53300", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "the server has no connection left: raise max_connections, or put a pooler before it"},
    Meaning{"53", ErrorCode::kOutboxUnavailable, Fate::kGood, "the server has no memory left"},
    Meaning{"57014", ErrorCode::kOutboxBusy, Fate::kGood,
            "it took longer than OutboxOptions::busy_timeout"},
    Meaning{"55P03", ErrorCode::kOutboxBusy, Fate::kGood, "another transaction holds a lock"},
    Meaning{"40", ErrorCode::kOutboxBusy, Fate::kGood, "it is tried again"},
    Meaning{"23505", ErrorCode::kOutboxBusy, Fate::kGood,
            "another server stored the same at this moment; it is tried again"},
    Meaning{"22", ErrorCode::kOutboxUnavailable, Fate::kGood, kValues, true},
    Meaning{"23", ErrorCode::kOutboxUnavailable, Fate::kGood, kValues, true},
    Meaning{"44", ErrorCode::kOutboxUnavailable, Fate::kGood, kValues, true},
    Meaning{"54", ErrorCode::kOutboxUnavailable, Fate::kGood, kValues, true},
    Meaning{"P0", ErrorCode::kOutboxUnavailable, Fate::kGood, kValues, true},
    Meaning{"25006", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "the server only lets read: it is a standby, or was made one; name all servers and "
            "target_session_attrs=read-write in POSTBOX_OUTBOX"},
    Meaning{"42501", ErrorCode::kOutboxUnavailable, Fate::kGood,
            "the role lacks a right: docs/postgres.md has a script for roles"},
    Meaning{"42P01", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "the tables are not there: look at search_path in POSTBOX_OUTBOX"},
    Meaning{"42883", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "the functions are not there: look at search_path in POSTBOX_OUTBOX"},
    Meaning{"XX001", ErrorCode::kOutboxCorrupt, Fate::kGood,
            "the database is damaged: restore it from a backup, or a standby"},
    Meaning{"XX002", ErrorCode::kOutboxCorrupt, Fate::kGood,
            "an index is damaged: run REINDEX on its table"},
    Meaning{"28", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "look at the user in POSTBOX_OUTBOX, PGPASSFILE and pg_hba.conf"},
    Meaning{"3D000", ErrorCode::kOutboxUnavailable, Fate::kRefused,
            "look at the database's name in POSTBOX_OUTBOX"},
    Meaning{"57P", ErrorCode::kOutboxUnavailable, Fate::kBroken, "the next call connects again"},
    Meaning{"08", ErrorCode::kOutboxUnavailable, Fate::kBroken, "the next call connects again"},
};

constexpr Meaning kOther{"", ErrorCode::kOutboxUnavailable, Fate::kGood, ""};

const Meaning& meaning_of(std::string_view state) {
  const auto found = std::ranges::find_if(
      kMeanings, [state](const Meaning& each) { return state.starts_with(each.state); });
  return found == kMeanings.end() ? kOther : *found;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

Failure statement_failure(const PGconn* connection, const PGresult* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (PQstatus(connection) != CONNECTION_OK && state == nullptr) {
    return Failure(Error{ErrorCode::kOutboxUnavailable,
                         "the connection to the server has ended; the next call opens another"},
                   Fate::kBroken);
  }
  const Meaning& meaning = meaning_of(state == nullptr ? "" : state);
  std::string text = message == nullptr ? "the server says no more" : message;
  if (!meaning.advice.empty()) text += ": " + std::string(meaning.advice);
  if (state != nullptr) text += " (SQLSTATE " + std::string(state) + ")";
  const bool has_ended = PQstatus(connection) != CONNECTION_OK;
  return Failure(Error{meaning.code, std::move(text)},
                 has_ended ? Fate::kBroken : meaning.connection, meaning.refuses_values);
}

Failure connection_failure(const PGconn* connection) {
  std::string text = first_line(PQerrorMessage(connection));
  constexpr std::string_view kReadOnly = "session is read-only";
  if (text.find(kReadOnly) != std::string::npos) text += ": no server takes writes at the moment";
  return Failure(Error{ErrorCode::kOutboxUnavailable, std::move(text)}, Fate::kRefused);
}

}  // namespace postbox::postgres

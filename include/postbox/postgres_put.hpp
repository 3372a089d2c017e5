// The statement that inserts an event in the caller's own transaction on PostgreSQL: committed it
// will be delivered, rolled back it has never been.
//
// Place:     part of postbox::postgres. For a program whose orders are in the database in which
//            events wait (POSTBOX_OUTBOX=postgres://…): Tracker::draft() makes the event, what is
//            here inserts it, and Tracker::look() after the commit makes it travel at once.
// Threads:   pure functions; put() uses the caller's connection and nothing else.
// Lifetime:  plain values.
// Failure:   put() says it; the caller's transaction has failed then and can only be rolled back.
//
// The statement waits for no other transaction and none waits for it. It needs the right to execute
// postbox_put, which docs/postgres.md gives to a shop's role, and the tables, which a tracker on
// the same database makes when it starts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/event_draft.hpp>
#include <postbox/result.hpp>

struct pg_conn;  // PGconn of libpq

namespace postbox {

struct PostgresStatement {
  std::string sql{};  // with $1, $2 …; empty when there is nothing to insert

  // In PostgreSQL's text format; nothing for NULL. They hold personal data unless the outbox is
  // encrypted, as does `in_full`: what logs statements logs them.
  std::vector<std::optional<std::string>> parameters{};

  // The same with the values in the text, for drivers whose parameters have other types. It needs
  // no escaping, whatever the event holds.
  std::string in_full{};
};

// `schema` has postbox's tables; where it is empty, search_path finds them. May throw
// std::bad_alloc.
[[nodiscard]] PostgresStatement postgres_statement(const EventDraft& draft,
                                                   std::string_view schema = {});

// Insert it on libpq's connection, on which a transaction must be open. Fails with kInvalidArgument
// when none is, and with kOutboxUnavailable, kOutboxFull … as the server says.
[[nodiscard]] Result<void> put(pg_conn* connection, const EventDraft& draft,
                               std::string_view schema = {});

// The same in a transaction of libpqxx, of any version: throws what that throws.
template <class Transaction>
requires requires(Transaction& transaction) { transaction.exec(std::string()); }
void put(Transaction& transaction, const EventDraft& draft, std::string_view schema = {}) {
  const PostgresStatement statement = postgres_statement(draft, schema);
  if (!statement.in_full.empty()) transaction.exec(statement.in_full);
}

}  // namespace postbox

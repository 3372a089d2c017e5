// Session is a connection with what its transactions need to know; Transaction is one of them,
// which is rolled back unless it was committed.
//
// Place:     inside the PostgreSQL library, between Connection and whoever has statements.
// Threads:   one thread at a time per Session.
// Lifetime:  a Transaction lives inside a scope and must not outlive its Session.
// Failure:   throws Failure.
//
// A transaction begins with its first statement, and finish() commits with its last: one of one
// statement is one round trip.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "database_time.hpp"
#include "parameters.hpp"

namespace postbox::postgres {

struct Session {
  Connection connection;
  DatabaseTime& time;
  std::int64_t part;  // of postbox_totals: this one's
};

class Transaction {
 public:
  enum class Kind : std::uint8_t {
    kRead,     // all of it sees one moment
    kDurable,  // a commit that has returned is on the server's disk
    kRelaxed,  // a crash of the server may undo it
  };

  Transaction(Session& session, Kind kind) : session_(session), kind_(kind) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  Rows run(const char* sql, Parameters parameters = {});
  std::vector<Rows> run_all(std::vector<Statement> statements);

  // The last one, and the commit.
  Rows finish(const char* sql, Parameters parameters = {});
  void commit();

  // The database's time when this began. After the first statement.
  [[nodiscard]] std::int64_t now() const noexcept { return now_; }

 private:
  std::vector<Rows> send(std::vector<Statement> statements, bool last);
  [[nodiscard]] std::string settings() const;

  Session& session_;
  Kind kind_;
  bool has_begun_ = false;
  bool has_ended_ = false;
  std::int64_t now_ = 0;
};

}  // namespace postbox::postgres

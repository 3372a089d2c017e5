// Connection is one connection to a server, which sends several statements and waits for all of
// their results once.
//
// Place:     inside the PostgreSQL library, on libpq; Transaction is how it is used.
// Threads:   one thread at a time; its owner holds a mutex.
// Lifetime:  closes with a word to the server. In the child of a fork() it is the parent's, and is
//            abandoned.
// Failure:   throws Failure. No wait is without a bound: what takes longer than the limit and two
//            seconds breaks the connection.
//
// Nothing is kept on the server between two transactions (no prepared statements, no settings), so
// that a pooler may stand between which gives each transaction another session.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parameters.hpp"

namespace postbox::postgres {

class Connection {
 public:
  // `uri` is "postgresql://…". `limit` bounds a statement.
  Connection(const std::string& uri, std::chrono::milliseconds limit);

  [[nodiscard]] std::chrono::milliseconds limit() const noexcept { return limit_; }

  // Sends the statements together and returns the results of each. The first that fails is thrown,
  // and those behind it are not done.
  std::vector<Rows> exchange(std::span<const Statement> statements);

  // Runs statements that stand in one text, without results.
  void run_script(const char* sql);

  // Whether a transaction is open, also one that has failed.
  [[nodiscard]] bool in_transaction() const noexcept;

  // Leaves the server's side to the parent process: nothing is said to the server.
  void abandon() noexcept;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  };

  // PostgreSQL reports a commit as done, with a warning, when somebody ends its wait for a standby.
  struct Notices {
    bool is_not_replicated = false;
    static void receive(void* self, const PGresult* notice);
  };

  void send(const Statement& statement);
  [[nodiscard]] PGresult* next(Time deadline);
  void wait(bool to_write, Time deadline);
  [[nodiscard]] Time deadline() const noexcept;
  [[noreturn]] void broken();

  std::unique_ptr<Notices> notices_;  // libpq knows its address
  std::unique_ptr<PGconn, Finish> connection_;
  std::chrono::milliseconds limit_;
};

}  // namespace postbox::postgres

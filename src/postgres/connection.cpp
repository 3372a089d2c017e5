#include "connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "failure.hpp"
#include "server_error.hpp"

namespace postbox::postgres {
namespace {

using std::chrono::milliseconds;

// Beyond the limit of a statement, which the server keeps: it has gone, or hangs.
constexpr milliseconds kGrace{2'000};

PGconn* connect(const std::string& uri, milliseconds limit) {
  const auto longest = std::chrono::ceil<std::chrono::seconds>(limit + kGrace);
  const std::string timeout = std::to_string(longest.count());
  const std::string unanswered = std::to_string((limit + kGrace).count());
  // What stands behind `dbname`, which is the URI, gives way to what it says; so these stand
  // before.
  const std::array<const char*, 9> names = {"fallback_application_name",
                                            "connect_timeout",
                                            "tcp_user_timeout",
                                            "keepalives_idle",
                                            "keepalives_interval",
                                            "keepalives_count",
                                            "dbname",
                                            "client_encoding",
                                            nullptr};
  const std::array<const char*, 9> values = {
      "postbox", timeout.c_str(), unanswered.c_str(), "15", "5", "3", uri.c_str(), "UTF8", nullptr};
  return PQconnectdbParams(names.data(), values.data(), 1);
}

}  // namespace

Connection::Connection(const std::string& uri, milliseconds limit)
    : notices_(std::make_unique<Notices>()), connection_(connect(uri, limit)), limit_(limit) {
  if (connection_ == nullptr) throw std::bad_alloc();
  if (PQstatus(connection_.get()) != CONNECTION_OK) throw connection_failure(connection_.get());
  PQsetNoticeReceiver(connection_.get(), &Notices::receive, notices_.get());
  if (PQsetnonblocking(connection_.get(), 1) != 0) broken();
}

// The name of the function is the same in every language. Other notices are of no interest; unless
// received they would be on stderr.
void Connection::Notices::receive(void* self, const PGresult* notice) {
  const char* const function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
  if (function != nullptr && std::string_view(function) == "SyncRepWaitForLSN") {
    static_cast<Notices*>(self)->is_not_replicated = true;
  }
}

std::vector<Rows> Connection::exchange(std::span<const Statement> statements) {
  if (PQenterPipelineMode(connection_.get()) != 1) broken();
  for (const Statement& statement : statements) send(statement);
  if (PQpipelineSync(connection_.get()) != 1) broken();
  const Time until = deadline();
  std::vector<Rows> results;
  std::optional<Failure> failure;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    PGresult* const result = next(until);
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR && !failure) {
      failure.emplace(statement_failure(connection_.get(), result));
    }
    results.push_back(std::move(rows));
    while (const Rows rest{next(until)}) {
    }
  }
  if (!failure) {
    const Rows sync(next(until));
    if (PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC) broken();
  } else {
    // A connection that has ended sends none.
    while (PQstatus(connection_.get()) == CONNECTION_OK) {
      const Rows sync(next(until));
      if (PQresultStatus(sync.get()) == PGRES_PIPELINE_SYNC) break;
    }
  }
  if (PQstatus(connection_.get()) == CONNECTION_OK) PQexitPipelineMode(connection_.get());
  if (failure) throw *std::move(failure);
  if (std::exchange(notices_->is_not_replicated, false)) {
    throw Failure(Error{ErrorCode::kOutboxUnavailable,
                        "committed on this server alone: somebody ended the wait for its standby"});
  }
  return results;
}

void Connection::run_script(const char* sql) {
  if (PQsendQuery(connection_.get(), sql) != 1) broken();
  const Time until = deadline();
  std::optional<Failure> failure;
  while (PGresult* const result = next(until)) {
    const Rows rows(result);
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && !failure) {
      failure.emplace(statement_failure(connection_.get(), result));
    }
  }
  if (failure) throw *std::move(failure);
}

bool Connection::in_transaction() const noexcept {
  const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

// libpq would say goodbye on the parent's socket when it frees its memory: it finds another file
// there.
void Connection::abandon() noexcept {
  const int socket = PQsocket(connection_.get());
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (socket < 0 || nothing < 0 || ::dup2(nothing, socket) < 0) {
    (void)connection_.release();  // leaked, and silent
  }
  if (nothing >= 0) ::close(nothing);
}

void Connection::send(const Statement& statement) {
  const Parameters& parameters = statement.parameters;
  if (PQsendQueryParams(connection_.get(), statement.sql, parameters.count(), parameters.types(),
                        parameters.values().data(), parameters.lengths(), parameters.formats(),
                        1) != 1) {
    broken();
  }
}

// Null when a statement has no more results.
PGresult* Connection::next(Time until) {
  for (;;) {
    const int unsent = PQflush(connection_.get());
    if (unsent < 0) broken();
    if (unsent == 0 && PQisBusy(connection_.get()) == 0) break;
    wait(unsent > 0, until);
    if (PQconsumeInput(connection_.get()) != 1) broken();
  }
  return PQgetResult(connection_.get());
}

void Connection::wait(bool to_write, Time until) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    pollfd socket{PQsocket(connection_.get()),
                  static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = ::poll(&socket, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0) return;
    if (ready < 0 && errno == EINTR) continue;
    throw Failure(Error{ErrorCode::kOutboxUnavailable,
                        "the server has not answered in time: look whether it and the network "
                        "between are well"},
                  Failure::Connection::kRefused);
  }
}

Connection::Time Connection::deadline() const noexcept {
  return std::chrono::steady_clock::now() + limit_ + kGrace;
}

void Connection::broken() {
  throw Failure(Error{ErrorCode::kOutboxUnavailable,
                      "the connection to the server has ended; the next call opens another"},
                Failure::Connection::kBroken);
}

}  // namespace postbox::postgres

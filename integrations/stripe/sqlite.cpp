#include <sqlite3.h>

#include <stripe/sqlite.hpp>

namespace stripe {

void Close::operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }

void fail(sqlite3* handle) {
  using postbox::ErrorCode;
  const int code = sqlite3_errcode(handle) & 0xff;
  throw Failure({code == SQLITE_FULL ? ErrorCode::kOutboxFull : ErrorCode::kOutboxUnavailable,
                 std::string("what webhooks remember: ") + sqlite3_errmsg(handle)},
                code == SQLITE_CORRUPT || code == SQLITE_NOTADB);
}

void execute(sqlite3* handle, const char* sql) {
  if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

void Statement::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr));
  statement_.reset(statement);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail(handle_);
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
}

void Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index, value));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(handle_);
}

Transaction::~Transaction() {
  if (!done_) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Durably::~Durably() {
  sqlite3_exec(handle_, "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr);
}

}  // namespace stripe

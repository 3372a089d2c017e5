// The few parts of SQLite's interface that the memory needs, each with one owner.
//
// Place:     inside the integration: sqlite_memory.cpp.
// Threads:   none of it is safe; the memory's mutex is.
// Lifetime:  statements and transactions must not outlive their connection.
// Failure:   Failure, which never leaves the memory.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <postbox/clock.hpp>
#include <postbox/error.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace stripe {

class Failure final : public std::exception {
 public:
  Failure(postbox::Error error, bool damaged) : error_(std::move(error)), is_damage_(damaged) {}
  [[nodiscard]] const postbox::Error& error() const noexcept { return error_; }
  [[nodiscard]] bool is_damage() const noexcept { return is_damage_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  postbox::Error error_;
  bool is_damage_;
};

struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

[[noreturn]] inline void fail(sqlite3* handle) {
  using postbox::ErrorCode;
  const int code = sqlite3_errcode(handle) & 0xff;
  throw Failure({code == SQLITE_FULL ? ErrorCode::kOutboxFull : ErrorCode::kOutboxUnavailable,
                 std::string("what webhooks remember: ") + sqlite3_errmsg(handle)},
                code == SQLITE_CORRUPT || code == SQLITE_NOTADB);
}

inline void execute(sqlite3* handle, const char* sql) {
  if (sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle);
}

// One statement with its values; the texts must outlive it.
class Statement {
 public:
  template <class... Values>
  Statement(sqlite3* handle, const char* sql, const Values&... values) : handle_(handle) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) != SQLITE_OK) fail(handle);
    statement_.reset(statement);
    int index = 0;
    (bind(++index, values), ...);
  }

  bool step() {
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(handle_);
    return code == SQLITE_ROW;
  }

  [[nodiscard]] std::string text(int column) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return bytes == nullptr ? std::string() : std::string(bytes, size);
  }
  [[nodiscard]] std::int64_t integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  [[nodiscard]] bool is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  [[nodiscard]] postbox::WallTime time(int column) const {
    return postbox::WallTime(std::chrono::milliseconds(integer(column)));
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  void bind(int index, std::string_view text) {
    check(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_STATIC,
                              SQLITE_UTF8));
  }
  void bind(int index, std::int64_t value) {
    check(sqlite3_bind_int64(statement_.get(), index, value));
  }
  void bind(int index, std::size_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, postbox::WallTime time) {
    bind(index, static_cast<std::int64_t>(time.time_since_epoch().count()));
  }
  void check(int code) const {
    if (code != SQLITE_OK) fail(handle_);
  }

  sqlite3* handle_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

template <class... Values>
void run(sqlite3* handle, const char* sql, const Values&... values) {
  Statement(handle, sql, values...).step();
}

class Transaction {
 public:
  explicit Transaction(sqlite3* handle) : handle_(handle) { execute(handle, "BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (!done_) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    execute(handle_, "COMMIT");
    done_ = true;
  }

 private:
  sqlite3* handle_;
  bool done_ = false;
};

// Commits inside its scope sync the disk.
class Durably {
 public:
  explicit Durably(sqlite3* handle) : handle_(handle) {
    execute(handle, "PRAGMA synchronous=FULL");
  }
  Durably(const Durably&) = delete;
  Durably& operator=(const Durably&) = delete;
  ~Durably() { sqlite3_exec(handle_, "PRAGMA synchronous=NORMAL", nullptr, nullptr, nullptr); }

 private:
  sqlite3* handle_;
};

}  // namespace stripe

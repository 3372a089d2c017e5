// The few parts of SQLite's interface that the memory needs, each with one owner.
//
// Place:     inside the integration: sqlite_memory.cpp.
// Threads:   none of it is safe; the memory's mutex is.
// Lifetime:  statements and transactions must not outlive their connection.
// Failure:   Failure, which never leaves the memory.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <postbox/clock.hpp>
#include <postbox/error.hpp>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

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
  void operator()(sqlite3* handle) const noexcept;
};
using Handle = std::unique_ptr<sqlite3, Close>;

[[noreturn]] void fail(sqlite3* handle);

void execute(sqlite3* handle, const char* sql);

// One statement with its values; the texts must outlive it.
class Statement {
 public:
  template <class... Values>
  Statement(sqlite3* handle, const char* sql, const Values&... values) : handle_(handle) {
    prepare(sql);
    int index = 0;
    (bind(++index, values), ...);
  }

  bool step();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] postbox::WallTime time(int column) const {
    return postbox::WallTime(std::chrono::milliseconds(integer(column)));
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };

  void prepare(const char* sql);
  void bind(int index, std::string_view text);
  void bind(int index, std::int64_t value);
  void bind(int index, std::size_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, postbox::WallTime time) {
    bind(index, static_cast<std::int64_t>(time.time_since_epoch().count()));
  }
  void check(int code) const;

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
  ~Transaction();
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
  ~Durably();

 private:
  sqlite3* handle_;
};

}  // namespace stripe

// LongRead is another program that reads the outbox's file and does not end: a backup, a forgotten
// shell.
//
// Place:     beside the shops, on the same MemoryDisk.
// Threads:   one.
// Lifetime:  until end(), or the power goes.
// Failure:   a read that cannot begin is none.
#pragma once

#include <sqlite3.h>

#include <string>

namespace postbox::simulation {

class LongRead {
 public:
  LongRead() = default;
  LongRead(const LongRead&) = delete;
  LongRead& operator=(const LongRead&) = delete;
  ~LongRead() { end(); }

  void begin(const std::string& path) {
    end();
    if (sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK ||
        sqlite3_exec(handle_, "BEGIN; SELECT * FROM totals", nullptr, nullptr, nullptr) !=
            SQLITE_OK) {
      end();
    }
  }

  // Its connection moves nothing of the log as it closes.
  void end() {
    if (handle_ == nullptr) return;
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_close(handle_);
    handle_ = nullptr;
  }

  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace postbox::simulation

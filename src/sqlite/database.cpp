#include "database.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/assert.hpp"

namespace postbox::sqlite {
namespace {

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kOutboxFull;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kOutboxBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kOutboxCorrupt;
    default:
      return ErrorCode::kOutboxUnavailable;
  }
}

// Called by SQLite when another process holds the write lock: sleep a little, then try again. Its
// own handler starts with 1, 2, 5, 10 ms; a commit takes a fraction of the first.
int wait_for_other_process(void* busy_timeout, int tries) {
  constexpr std::chrono::microseconds kFirst{100};
  constexpr int kDoublings = 6;
  const auto limit = *static_cast<const std::chrono::milliseconds*>(busy_timeout);
  const auto pause_at = [&](int n) { return kFirst * (1 << std::min(n, kDoublings)); };
  const auto waited = tries <= kDoublings ? kFirst * ((1 << tries) - 1)
                                          : kFirst * ((1 << kDoublings) - 1) +
                                                pause_at(kDoublings) * (tries - kDoublings);
  if (waited >= limit) return 0;
  std::this_thread::sleep_for(pause_at(tries));
  return 1;
}

int count_wal_pages(void* shared, sqlite3*, const char*, int pages) {
  static_cast<SharedFile*>(shared)->wal_pages.store(pages, std::memory_order_relaxed);
  return SQLITE_OK;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail_with_errno(const std::string& what, int error) {
  throw Failure(
      Error{ErrorCode::kOutboxUnavailable, what + ": " + std::generic_category().message(error)});
}

std::string directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

void sync_directory(const std::string& directory) {
  const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // EINVAL: a file system whose directories need no fsync says so in this way.
  if (descriptor.get() < 0 || (::fsync(descriptor.get()) != 0 && errno != EINVAL)) {
    fail_with_errno("cannot sync the directory '" + directory + "'", errno);
  }
}

[[noreturn]] void fail_to_create(const std::string& path, int error) {
  const std::string directory = directory_of(path);
  std::error_code ignored;
  if (error == ENOENT && !std::filesystem::exists(directory, ignored)) {
    throw Failure(Error{ErrorCode::kOutboxUnavailable,
                        "the directory '" + directory +
                            "' does not exist: create it, or set POSTBOX_OUTBOX to another path"});
  }
  fail_with_errno("cannot create '" + path + "'", error);
}

}  // namespace

void sync_folder_of(const std::string& path) { sync_directory(directory_of(path)); }

bool create_private_file(const std::string& path) {
  // O_EXCL, because closing a descriptor of a file that SQLite has open elsewhere in this process
  // would drop SQLite's locks on it.
  const Descriptor descriptor(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (descriptor.get() < 0) {
    if (errno == EEXIST) return false;
    fail_to_create(path, errno);
  }
  if (::fsync(descriptor.get()) != 0) fail_with_errno("cannot sync '" + path + "'", errno);
  sync_directory(directory_of(path));
  return true;
}

Database Database::open_file(const std::string& path, SharedFile& shared,
                             std::chrono::milliseconds busy_timeout) {
  Database database(path.c_str(), SQLITE_OPEN_READWRITE, &shared);
  database.busy_timeout_ = std::make_unique<std::chrono::milliseconds>(busy_timeout);
  sqlite3* handle = database.handle_.get();
  sqlite3_busy_handler(handle, wait_for_other_process, database.busy_timeout_.get());
  sqlite3_wal_hook(handle, count_wal_pages, &shared);  // in place of SQLite's own checkpoints
  return database;
}

Database Database::open_memory() {
  return {":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, nullptr};
}

Database::Database(const char* path, int flags, SharedFile* shared) : shared_(shared) {
  sqlite3* handle = nullptr;
  // NOMUTEX: the owner's mutex is the only one needed.
  const int code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);  // also after a failure, when it carries the message
  if (handle == nullptr) throw Failure(Error{ErrorCode::kInternal, "out of memory"});
  if (code != SQLITE_OK) fail("open");
  sqlite3_extended_result_codes(handle, 1);
}

void Database::copy_to(const std::string& path) {
  Database to(path.c_str(), SQLITE_OPEN_READWRITE, nullptr);
  // One step, so that a writer meanwhile does not make it begin again: it reads one snapshot.
  sqlite3_backup* backup = sqlite3_backup_init(to.handle_.get(), "main", handle_.get(), "main");
  if (backup == nullptr) to.fail("copy");
  constexpr int kAll = -1;
  const int stepped = sqlite3_backup_step(backup, kAll);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return;
  const int failed = stepped == SQLITE_DONE ? finished : stepped;
  throw Failure(Error{code_of(failed), std::string("copy: ") + sqlite3_errstr(failed)});
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("execute");
}

void Database::define(const char* name, int count, Function function) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  if (sqlite3_create_function_v2(handle_.get(), name, count, kFlags, nullptr, function, nullptr,
                                 nullptr, nullptr) != SQLITE_OK) {
    fail("define");
  }
}

bool Database::read_header(std::span<unsigned char> header) noexcept {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr) {
    return false;
  }
  return file->pMethods->xRead(file, header.data(), static_cast<int>(header.size()), 0) ==
         SQLITE_OK;
}

bool Database::has_moved(sqlite3* handle) noexcept {
  int moved = 0;
  return sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

std::uint64_t Database::inode_of_log() const noexcept {
  const char* name = sqlite3_filename_wal(sqlite3_db_filename(handle_.get(), "main"));
  struct stat status {};
  return name != nullptr && ::stat(name, &status) == 0 ? status.st_ino : 0;
}

// SQLite removes the log by its name: where another file has taken the name, that one's.
void Database::Close::operator()(sqlite3* handle) const noexcept {
  if (has_moved(handle)) leave_log(handle);
  sqlite3_close(handle);
}

void Database::sync_commits(bool durable) {
  POSTBOX_ASSERT(!in_transaction());  // SQLite ignores it inside one
  if (durable == durable_) return;
  execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  durable_ = durable;
}

void Database::checkpoint() noexcept {
  if (shared_ == nullptr) return;
  int pages = 0;
  int moved = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
  if (code == SQLITE_OK) {
    shared_->wal_pages.store(moved < pages ? pages : 0, std::memory_order_relaxed);
  }
}

bool Database::lock_writer() noexcept {
  return !locks_to_write_ || shared_->writer.lock_for(*busy_timeout_);
}

void Database::unlock_writer() noexcept {
  if (locks_to_write_) shared_->writer.unlock();
}

void Database::keep_log_short() noexcept {
  const int pages = log_pages();
  if (pages < kDueLog) return;
  checkpoint();
  if (pages < kLargeLog || !lock_writer()) return;
  checkpoint();
  unlock_writer();
}

bool Database::empty_log() noexcept {
  if (shared_ == nullptr) return true;
  if (!lock_writer()) return false;
  sqlite3* handle = handle_.get();
  int pages = -1;
  sqlite3_busy_handler(handle, nullptr, nullptr);
  const int code =
      sqlite3_wal_checkpoint_v2(handle, nullptr, SQLITE_CHECKPOINT_TRUNCATE, &pages, nullptr);
  sqlite3_busy_handler(handle, wait_for_other_process, busy_timeout_.get());
  // Also what a reader keeps: it was as long as that a moment ago.
  if (pages >= 0) shared_->wal_pages.store(pages, std::memory_order_relaxed);
  unlock_writer();
  return code == SQLITE_OK;
}

std::int64_t Database::integer(const char* sql) {
  Query query(*this, sql);
  return query.step() ? query.integer(0) : 0;
}

void Database::fail(std::string_view step) const {
  const int error = errno;  // sqlite3_system_errno() is zero after a step
  const int sqlite_code = sqlite3_extended_errcode(handle_.get());
  ErrorCode code = code_of(sqlite_code);
  std::string reason = sqlite3_errmsg(handle_.get());
  // SQLite says "full" for ENOSPC alone; a quota and a limit on files have errors of their own.
  if ((sqlite_code & 0xff) == SQLITE_IOERR && (error == EDQUOT || error == EFBIG)) {
    code = ErrorCode::kOutboxFull;
    reason += ": " + std::generic_category().message(error);
  }
  throw Failure(Error{code, std::string(step) + ": " + reason + " (SQLite " +
                                std::to_string(sqlite_code) + ")"},
                Failure::Source::kSqlite);
}

sqlite3_stmt* Database::statement(const char* sql) {
  for (const Statement& known : statements_) {
    if (known.sql == sql) return known.handle.get();
  }
  statements_.reserve(statements_.size() + 1);  // so that nothing can throw once it is prepared
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr) !=
      SQLITE_OK) {
    fail("prepare");
  }
  statements_.push_back(Statement{sql, std::unique_ptr<sqlite3_stmt, Finalize>(prepared)});
  return prepared;
}

bool Query::step() {
  errno = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    const std::string_view sql = sqlite3_sql(statement_);
    database_.fail(sql.substr(0, sql.find(' ')));  // BEGIN, COMMIT, INSERT, …
  }
  return false;
}

std::size_t Query::run() {
  while (step()) {
  }
  // Rows and the totals that count them change together.
  POSTBOX_ASSERT(sqlite3_stmt_readonly(statement_) != 0 || database_.in_transaction());
  sqlite3_reset(statement_);
  return database_.changes();
}

std::string Query::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const std::size_t count = size(column);
  if (data == nullptr && count != 0) database_.fail("read");
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), count);
}

Key Query::key(int column) const {
  Key key;
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr || size(column) != key.size()) {
    throw Failure(Error{ErrorCode::kOutboxCorrupt, "read: a key does not have 16 bytes"});
  }
  std::memcpy(key.data(), data, key.size());
  return key;
}

std::optional<Key> Query::key_or_null(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return key(column);
}

bool WriterMutex::lock_for(std::chrono::milliseconds timeout) {
  const SteadyTime until = std::chrono::steady_clock::now() + timeout;
  MutexLock lock(mutex_);
  if (!std::exchange(is_locked_, true)) return true;
  ++waiting_;
  while (!is_handed_over_) {
    if (handed_over_to_.wait_until(lock, until)) break;
  }
  --waiting_;
  return std::exchange(is_handed_over_, false);
}

void WriterMutex::unlock() {
  {
    const MutexLock lock(mutex_);
    is_handed_over_ = waiting_ > 0;
    is_locked_ = is_handed_over_;
  }
  handed_over_to_.notify_one();
}

WriterGuard::WriterGuard(WriterMutex& mutex, std::chrono::milliseconds timeout) : mutex_(mutex) {
  if (mutex_.lock_for(timeout)) return;
  throw Failure(
      Error{ErrorCode::kOutboxBusy, "a commit of this process has not returned: the disk hangs"});
}

Transaction::Transaction(Database& database, Kind kind) : database_(database) {
  POSTBOX_ASSERT(!database.in_transaction());
  if (kind == Kind::kRead) {
    Query(database_, "BEGIN").run();
    return;
  }
  if (database.locks_to_write_) guard_.emplace(database.shared_->writer, *database.busy_timeout_);
  database_.sync_commits(kind == Kind::kDurable);
  Query(database_, "BEGIN IMMEDIATE").run();
  ++database_.transactions_;
}

Transaction::~Transaction() { roll_back(); }

void Transaction::roll_back() noexcept {
  // After some errors SQLite has rolled back by itself.
  if (!database_.in_transaction()) return;
  try {
    Query(database_, "ROLLBACK").run();
  } catch (...) {
    // The caller closes the connection after such an error, and that rolls back as well.
    return;
  }
}

void Transaction::commit() {
  POSTBOX_ASSERT(database_.in_transaction());
  Query(database_, "COMMIT").run();
  POSTBOX_ASSERT(!database_.in_transaction());
}

}  // namespace postbox::sqlite

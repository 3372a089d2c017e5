#include "sender_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace postbox::sqlite {
namespace {

// A token is the epoch and the number of the claim: room for eight million senders of one file, and
// for thirty years of a thousand claims a second.
constexpr unsigned kEpochShift = 40;

std::int64_t stored_epoch(Database& database) {
  return database.integer("SELECT value FROM meta WHERE key = 'sender_epoch'");
}

std::int64_t start_epoch(Database& database) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  Query(database, "UPDATE meta SET value = value + 1 WHERE key = 'sender_epoch'").run();
  const std::int64_t epoch = stored_epoch(database);
  transaction.commit();
  return epoch;
}

}  // namespace

SenderLock::~SenderLock() { unlock(); }

void SenderLock::leave() noexcept {
  unlock();
  epoch_ = 0;
}

bool SenderLock::take(Database& database, Leases& leases) {
  if (!lock()) return false;
  if (epoch_ != 0 && stored_epoch(database) == epoch_) return true;
  if (epoch_ != 0) {
    // Another file under the same name, or somebody removed the lock file and took the lock: then
    // the new lock file is theirs.
    epoch_ = 0;
    unlock();
    leases.end_all();
    if (!lock()) return false;
  }
  epoch_ = start_epoch(database);
  return true;
}

bool SenderLock::is_ours(Database& database, std::int64_t token) const {
  return epoch_ != 0 && token >> kEpochShift == epoch_ && stored_epoch(database) == epoch_;
}

std::int64_t SenderLock::next_token() noexcept { return (epoch_ << kEpochShift) | ++claims_; }

bool SenderLock::lock() {
  if (lock_path_.empty() || descriptor_ >= 0) return true;
  // Opened anew for each try, so that a lock file somebody removed is noticed.
  const int descriptor =
      ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) {
    throw Failure(Error{ErrorCode::kOutboxUnavailable, "cannot open '" + lock_path_ + "': " +
                                                           std::generic_category().message(errno)});
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    descriptor_ = descriptor;
    return true;
  }
  const int error = errno;
  ::close(descriptor);
  if (error == EWOULDBLOCK || error == EINTR) return false;
  throw Failure(Error{ErrorCode::kOutboxUnavailable, "cannot lock '" + lock_path_ + "': " +
                                                         std::generic_category().message(error)});
}

void SenderLock::unlock() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace postbox::sqlite

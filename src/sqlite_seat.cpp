#include "sqlite_seat.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

#include "sqlite_schema.hpp"

namespace postbox::sqlite {
namespace {

constexpr std::int64_t kMaxClaimsPerEpoch = std::numeric_limits<std::uint32_t>::max();

}  // namespace

std::int64_t stored_epoch(Database& database) {
  return database.integer("SELECT value FROM meta WHERE key = 'sender_epoch'");
}

SenderSeat::~SenderSeat() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool SenderSeat::take(Database& database) {
  if (!lock()) return false;
  if (epoch_verified_) return true;
  // The same file as before, opened again after an error: our leases in it stay ours.
  if (epoch_ == 0 || stored_epoch(database) != epoch_) start_epoch(database);
  epoch_verified_ = true;
  return true;
}

std::int64_t SenderSeat::first_token_of_epoch() const noexcept { return epoch_ << kEpochShift; }

std::int64_t SenderSeat::next_token(Database& database) {
  if (claims_ >= kMaxClaimsPerEpoch) start_epoch(database);
  return first_token_of_epoch() | ++claims_;
}

std::int64_t SenderSeat::leased_through(std::int64_t queue, std::int64_t now) {
  constexpr std::int64_t kInterval = 5'000;
  Front& front = fronts_[queue];
  if (now < front.looked_at || now - front.looked_at >= kInterval) front = {0, now};
  return front.through;
}

void SenderSeat::look_from_start() noexcept {
  for (auto& [queue, front] : fronts_) front.through = 0;
}

bool SenderSeat::lock() {
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

void SenderSeat::start_epoch(Database& database) {
  Transaction transaction(database, Transaction::Kind::kWrite);
  Query(database, "UPDATE meta SET value = value + 1 WHERE key = 'sender_epoch'").run();
  Query(database, "DELETE FROM claimed").run();
  const std::int64_t epoch = stored_epoch(database);
  transaction.commit();
  epoch_ = epoch;  // only now is it ours
  look_from_start();
  claims_ = 0;
}

}  // namespace postbox::sqlite

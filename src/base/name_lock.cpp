#include "name_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

namespace postbox {
namespace {

constexpr std::chrono::milliseconds kPause{1};

Error failed(const char* to_do, const std::string& file, int error) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  std::error_code ignored;
  if (error == ENOENT && !folder.empty() && !std::filesystem::exists(folder, ignored)) {
    return {ErrorCode::kOutboxUnavailable, "the directory '" + folder +
                                               "' does not exist: create it, or set "
                                               "POSTBOX_OUTBOX to another path"};
  }
  return {ErrorCode::kOutboxUnavailable, std::string("cannot ") + to_do + " '" + file +
                                             "': " + std::generic_category().message(error)};
}

// Somebody may have removed the lock file, and another process have made a new one.
bool is_at(int descriptor, const std::string& file) noexcept {
  struct stat ours {};
  struct stat there {};
  return ::fstat(descriptor, &ours) == 0 && ::stat(file.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace

NameLock::NameLock(const std::string& path, std::chrono::milliseconds timeout) {
  const std::string file = path + "-lock";
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!try_once(file) && !trouble_) {
    if (std::chrono::steady_clock::now() >= until) {
      trouble_ = Error{ErrorCode::kOutboxBusy,
                       "another connection opens, repairs or replaces '" + path + "'"};
      return;
    }
    std::this_thread::sleep_for(kPause);
  }
}

NameLock::~NameLock() {
  // Closing alone would leave it to a child that was forked in the middle of a call.
  if (descriptor_ >= 0) ::flock(descriptor_, LOCK_UN);
  close();
  withdraw();
}

// False, without trouble, when another has it.
bool NameLock::try_once(const std::string& file) {
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor_ < 0) {
    trouble_ = failed("create", file, errno);
    return false;
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
    if (is_at(descriptor_, file)) return true;
  } else if (errno != EWOULDBLOCK && errno != EINTR) {
    trouble_ = failed("lock", file, errno);
  }
  close();
  return false;
}

void NameLock::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace postbox

#include "file_name.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace postbox {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as many as Linux follows

// True when the file was mounted by itself, such as with docker run -v FILE:FILE.
bool is_mounted_alone(const std::string& path) noexcept {
#ifdef STATX_ATTR_MOUNT_ROOT
  struct statx status {};
  return ::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes_mask & status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
  (void)path;
  return false;
#endif
}

Error cannot_hold(const std::string& what) { return {ErrorCode::kInvalidConfig, what}; }

// By the rights of the process, for the user whom it runs as.
Result<void> check_rights(const std::string& what, const std::string& path, int rights) {
  if (::faccessat(AT_FDCWD, path.c_str(), rights, AT_EACCESS) == 0) return {};
  const std::string why = std::generic_category().message(errno);
  return cannot_hold("the " + what + " '" + path + "' cannot be written by user " +
                     std::to_string(::geteuid()) + " (" + why +
                     "): give it to this user, mount it writable, or set another path");
}

}  // namespace

Result<std::string> absolute_name(const std::string& name) {
  if (!name.empty() && name.front() == '/') return name;
  std::error_code error;
  const fs::path folder = fs::current_path(error);
  if (!error) return (folder / name).string();
  return Error{ErrorCode::kInvalidConfig, "'" + name + "' is relative, and there is no working " +
                                              "directory (" + error.message() +
                                              "): set an absolute path"};
}

Result<std::string> resolved_name(const std::string& name) {
  auto absolute = absolute_name(name);
  if (!absolute) return absolute;
  fs::path path = *absolute;
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    const fs::path folder = fs::weakly_canonical(path.parent_path(), error);
    if (error) return path.string();  // opening it says what is wrong
    path = folder / path.filename();
    if (!fs::is_symlink(path, error)) return path.string();
    const fs::path target = fs::read_symlink(path, error);
    if (error) return path.string();
    path = path.parent_path() / target;  // the target alone when it is absolute
  }
  return Error{ErrorCode::kInvalidConfig, "'" + name + "' leads from link to link without end"};
}

Result<void> check_only_name(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};  // opening it says what is wrong
  if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
    return Error{ErrorCode::kOutboxUnavailable,
                 "the file '" + path + "' has " + std::to_string(status.st_nlink) +
                     " names (hard links), and used by two of them it would be destroyed: remove "
                     "all names but this one (find them with find -inum " +
                     std::to_string(status.st_ino) + ")"};
  }
  if (S_ISREG(status.st_mode) && is_mounted_alone(path)) {
    return Error{ErrorCode::kOutboxUnavailable,
                 "the file '" + path +
                     "' is mounted without its folder, where the newest events are kept: mount "
                     "the folder"};
  }
  return {};
}

Result<void> check_writable(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  std::error_code error;
  const fs::file_status place = fs::status(folder, error);
  if (place.type() == fs::file_type::not_found) {
    return cannot_hold("the folder '" + folder +
                       "' does not exist: create it, or set another path");
  }
  if (place.type() != fs::file_type::none && !fs::is_directory(place)) {
    return cannot_hold("'" + folder + "' is no folder: set a path inside a folder");
  }
  if (auto ok = check_rights("folder", folder, W_OK | X_OK); !ok) return ok;
  const fs::file_status file = fs::status(path, error);
  if (file.type() == fs::file_type::not_found) return {};
  if (fs::is_directory(file)) {
    return cannot_hold("'" + path + "' is a folder: name a file in it, such as " + path +
                       "/postbox.db");
  }
  if (!fs::is_regular_file(file)) {
    return cannot_hold("'" + path + "' is no regular file: set another path");
  }
  return check_rights("file", path, R_OK | W_OK);
}

}  // namespace postbox

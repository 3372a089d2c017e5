#include "store_file.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "database.hpp"

namespace postbox::sqlite {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const std::error_code& error) {
  throw Failure(Error{ErrorCode::kOutboxUnavailable, what + ": " + error.message()});
}

// Gives the log, if there is one, its second name. False where the file system knows no links.
bool link_log(const std::string& path, const std::string& aside) {
  std::error_code error;
  if (!fs::exists(path + "-wal", error)) return true;
  fs::create_hard_link(path + "-wal", aside + "-wal", error);
  return !error;
}

}  // namespace

std::string name_aside(const std::string& path, const char* what) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> time{};
  (void)std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string first = path + "." + what + "-" + time.data();
  std::string name = first;
  std::error_code ignored;
  for (int i = 2; fs::exists(name, ignored); ++i) name = first + "-" + std::to_string(i);
  return name;
}

std::string replacement_of(const std::string& path) { return path + "-salvaged"; }

void rename_durably(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail("cannot rename '" + from + "' to '" + to + "'", error);
  sync_folder_of(to);  // or a power cut would leave the new file's log alone
}

void set_aside(const std::string& path, const std::string& aside) {
  const bool has_both_names = link_log(path, aside);
  rename_durably(path, aside);
  if (!has_both_names) rename_durably(path + "-wal", aside + "-wal");
}

void finish_replacement(const std::string& path) {
  std::error_code ignored;
  const std::string replacement = replacement_of(path);
  if (fs::exists(path, ignored) || !fs::exists(replacement, ignored)) return;
  if (fs::exists(replacement + "-wal", ignored)) return;  // it was not complete
  remove_log_of(path);
  sync_folder_of(path);  // before the new name: with the old log it would be another file
  rename_durably(replacement, path);
}

void remove_file(const std::string& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) fail("cannot remove '" + path + "'", error);
}

void remove_log_of(const std::string& path) {
  for (const char* suffix : {"-wal", "-shm"}) remove_file(path + suffix);
}

}  // namespace postbox::sqlite

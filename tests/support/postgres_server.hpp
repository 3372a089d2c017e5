// PostgresServer is a PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket
// there, with nothing of it elsewhere.
//
// Place:     tests/postgres. One server serves a whole run of ctest, which names it in a file
//            (POSTBOX_TEST_POSTGRES); a program that is started by hand starts its own.
// Threads:   one thread at a time.
// Lifetime:  stops with the object, unless it was let go.
// Failure:   url() is empty where no server is installed, or none starts.
#pragma once

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "network_namespace.hpp"

namespace postbox::tests {

class PostgresServer {
 public:
  // `durable`: as in production. Else nothing is synced to the disk, which is faster.
  enum class Disk : unsigned char { kDurable, kFast };

  // It listens on `network`, too, when there is one, which must outlive it.
  explicit PostgresServer(Disk disk = Disk::kFast, const NetworkNamespace* network = nullptr)
      : disk_(disk), network_(network) {
    is_made_ = make_folder() &&
               run({bin_ / "initdb", "-D", data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                    "--locale=C", "-N"}) &&
               (network_ == nullptr || let_in()) && start();
  }
  // A streaming standby of `primary`.
  struct StandbyOf {
    const PostgresServer& primary;
  };
  explicit PostgresServer(StandbyOf of, const NetworkNamespace* network = nullptr)
      : disk_(of.primary.disk_), network_(network) {
    is_made_ = make_folder() && follow(of.primary);
  }
  // One that runs already.
  explicit PostgresServer(std::filesystem::path folder) : folder_(std::move(folder)) {
    bin_ = folder_of_programs().value_or("");
    is_made_ = std::filesystem::exists(folder_ / "data/postmaster.pid");
    is_ours_ = false;
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer() {
    if (is_ours_) remove();
  }

  [[nodiscard]] static std::optional<std::filesystem::path> folder_of_programs() {
    std::vector<std::filesystem::path> found;
    std::error_code none;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
      if (std::filesystem::exists(version.path() / "bin/pg_ctl")) {
        found.push_back(version.path() / "bin");
      }
    }
    if (found.empty()) return std::nullopt;
    return *std::ranges::max_element(found);
  }

  // Of the database, with "&" before more options.
  [[nodiscard]] std::string url(const std::string& user = "postgres") const {
    if (!is_made_) return {};
    return "postgres:///postgres?host=" + host() + "&user=" + user;
  }
  // What clients call it by.
  [[nodiscard]] std::string host() const {
    return network_ == nullptr ? folder_.string() : network_->address();
  }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }

  // Stays when this object goes; remove() ends it.
  void let_go() noexcept { is_ours_ = false; }

  // What follows a kill is a recovery.
  bool start() {
    std::string options = "-k " + folder_.string() + " -c listen_addresses=" +
                          (network_ == nullptr ? "" : network_->address()) +
                          " -c max_connections=60 -c shared_buffers=32MB"
                          " -c autovacuum_naptime=5 -c max_wal_size=256MB";
    if (disk_ == Disk::kFast) {
      options += " -c fsync=off -c full_page_writes=off -c synchronous_commit=off";
    }
    for (int tries = 0; tries < 50; ++tries) {  // of one that was killed, processes may linger
      if (run({bin_ / "pg_ctl", "-D", data(), "-w", "-s", "-l", folder_ / "log", "-o", options,
               "start"},
              network_)) {
        return true;
      }
    }
    return false;
  }

  // Begins anew as a streaming standby, with a copy of what the other one has.
  bool follow(const PostgresServer& primary) {
    std::error_code ignored;
    std::filesystem::remove_all(data(), ignored);
    return run({bin_ / "pg_basebackup", "-h", primary.folder(), "-U", "postgres", "-D", data(),
                "-c", "fast", "-X", "stream", "-R", "-N"}) &&
           start();
  }

  // A standby becomes the primary.
  [[nodiscard]] bool promote() const {
    return run({bin_ / "pg_ctl", "-D", data(), "-w", "-s", "promote"});
  }

  // How often its log has `text`.
  [[nodiscard]] std::size_t count_in_log(const std::string& text) const {
    std::ifstream file(folder_ / "log");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) {
      count += line.find(text) != std::string::npos ? 1U : 0U;
    }
    return count;
  }

  // As a crash does.
  void kill_hard() const {
    std::ifstream file(folder_ / "data/postmaster.pid");
    pid_t pid = 0;
    file >> pid;
    if (pid > 0) ::kill(pid, SIGKILL);
  }

  void stop() const { run({bin_ / "pg_ctl", "-D", data(), "-m", "fast", "-w", "-s", "stop"}); }

  void remove() const {
    if (bin_.empty() || folder_.empty()) return;
    run({bin_ / "pg_ctl", "-D", data(), "-m", "immediate", "-w", "-s", "stop"});
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // Runs a program of PostgreSQL's as its user, silently. Returns whether it ended well.
  static bool run(const std::vector<std::string>& words,
                  const NetworkNamespace* network = nullptr) {
    const passwd* const user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
    const pid_t child = fork();
    if (child == 0) {
      if (network != nullptr && !network->enter()) _exit(1);
      if (user != nullptr &&
          (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
           setuid(user->pw_uid) != 0 || chdir("/") != 0)) {
        _exit(1);
      }
      if (freopen("/dev/null", "r", stdin) == nullptr ||
          freopen("/dev/null", "w", stdout) == nullptr ||
          freopen("/dev/null", "w", stderr) == nullptr) {
        _exit(1);
      }
      std::vector<char*> arguments;
      for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
  }

 private:
  bool make_folder() {
    const auto bin = folder_of_programs();
    std::string pattern = "/tmp/postbox-pg-XXXXXX";
    if (!bin || mkdtemp(pattern.data()) == nullptr) return false;
    bin_ = *bin;
    folder_ = pattern;
    return geteuid() != 0 || give_to_postgres();
  }

  [[nodiscard]] std::string data() const { return (folder_ / "data").string(); }

  // Whoever comes over its network.
  [[nodiscard]] bool let_in() const {
    std::ofstream rules(data() + "/pg_hba.conf", std::ios::app);
    rules << "host all all samenet trust\n";
    return rules.flush().good();
  }

  // The server refuses root.
  [[nodiscard]] bool give_to_postgres() const {
    const passwd* const user = getpwnam("postgres");
    return user != nullptr && chown(folder_.c_str(), user->pw_uid, user->pw_gid) == 0;
  }

  Disk disk_ = Disk::kFast;
  const NetworkNamespace* network_ = nullptr;
  std::filesystem::path bin_;
  std::filesystem::path folder_;
  bool is_made_ = false;
  bool is_ours_ = true;
};

}  // namespace postbox::tests

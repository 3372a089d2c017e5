// Program runs one of the project's own programs as a child process and ends it with the test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "temporary_folder.hpp"

extern char** environ;

namespace postbox::tests {

class Program {
 public:
  using Variables = std::map<std::string, std::string>;

  // Starts build/…/bin/<name> in `folder` and waits until it says on which port it listens. With
  // `log` its standard error goes to that file, and it may refuse to start: the port is 0 then. One
  // that does not listen is not waited for, and what it says is not read.
  Program(const std::string& name, std::vector<std::string> arguments, const Variables& variables,
          const std::string& folder = ".", const std::string& log = {}, bool listens = true) {
    std::array<int, 2> out{};
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (listens) {
      posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (!log.empty()) {
      posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());

    arguments.insert(arguments.begin(), std::string(POSTBOX_BIN_DIR "/") + name);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::vector<std::string> settings = environment(variables);
    std::vector<char*> envp;
    for (std::string& setting : settings) envp.push_back(setting.data());
    envp.push_back(nullptr);

    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    out_ = out[0];
    if (listens) port_ = read_port(out_, log.empty());
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { end(SIGKILL); }

  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Sends `signal`, waits for the end and returns the exit code, or minus the signal that ended it.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    kill(pid_, signal);
    return wait();
  }

  // The same of a program that ends by itself.
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    close(std::exchange(out_, -1));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void signal(int number) const { kill(pid_, number); }

 private:
  // The test's own environment without any setting of ours, and `variables`.
  static std::vector<std::string> environment(const Variables& variables) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string setting(*entry);
      const bool is_ours =
          std::ranges::any_of(std::array{"KLAVIYO_", "POSTBOX_", "STRIPE_", "VITE_"},
                              [&](const char* prefix) { return setting.starts_with(prefix); });
      if (!is_ours) all.push_back(setting);
    }
    for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
    return all;
  }

  static int read_port(int descriptor, bool must_start) {
    const std::string expected = "listening on 127.0.0.1:";
    std::string line;
    for (char c = 0; read(descriptor, &c, 1) == 1 && c != '\n';) line += c;
    EXPECT_TRUE(!must_start || line.starts_with(expected)) << "the program said: " << line;
    return line.starts_with(expected) ? std::stoi(line.substr(expected.size())) : 0;
  }

  pid_t pid_ = 0;
  int out_ = -1;  // what it says; open to its end, lest it dies of saying more
  int port_ = 0;
};

}  // namespace postbox::tests

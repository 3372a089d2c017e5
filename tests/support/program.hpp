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
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "temporary_folder.hpp"

extern char** environ;

namespace postbox::tests {

// The files of a program's streams; it has the test's own where there is none.
struct Streams {
  std::string error{};   // what it says goes to its end; and it may refuse to start: no port then
  std::string output{};  // the same; with it the program need not listen, and is not waited for
  std::string input{};
};

class Program {
 public:
  using Variables = std::map<std::string, std::string>;

  // Starts build/…/bin/<name> in `folder` and waits until it says on which port it listens.
  Program(const std::string& name, std::vector<std::string> arguments, const Variables& variables,
          const std::string& folder = ".", const Streams& streams = {}) {
    const bool listens = streams.output.empty();
    std::array<int, 2> out{};
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (listens) posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    open_as(STDOUT_FILENO, streams.output, O_WRONLY | O_CREAT | O_APPEND, actions);
    open_as(STDERR_FILENO, streams.error, O_WRONLY | O_CREAT | O_APPEND, actions);
    open_as(STDIN_FILENO, streams.input, O_RDONLY, actions);
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
    if (listens) read_port(streams.error.empty());
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { end(SIGKILL); }

  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // What it has said so far, up to the line of its port; after its end, all of it.
  [[nodiscard]] const std::string& said() const noexcept { return said_; }

  // As everybody on the machine sees it; empty when it has ended.
  [[nodiscard]] std::string command_line() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/cmdline", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Sends `signal`, waits for the end and returns the exit code, or minus the signal that ended it.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    kill(pid_, signal);
    return wait();
  }

  // The same of a program that ends by itself.
  int wait() {
    for (char c = 0; read(out_, &c, 1) == 1;) said_ += c;
    close(std::exchange(out_, -1));
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
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

  static void open_as(int descriptor, const std::string& file, int how,
                      posix_spawn_file_actions_t& actions) {
    if (file.empty()) return;
    posix_spawn_file_actions_addopen(&actions, descriptor, file.c_str(), how, 0600);
  }

  void read_port(bool must_start) {
    const std::string expected = "listening on 127.0.0.1:";
    for (char c = 0; !said_.ends_with('\n') && read(out_, &c, 1) == 1;) said_ += c;
    EXPECT_TRUE(!must_start || said_.starts_with(expected)) << "the program said: " << said_;
    port_ = said_.starts_with(expected) ? std::stoi(said_.substr(expected.size())) : 0;
  }

  pid_t pid_ = 0;
  std::string said_;
  int out_ = -1;  // what it says; open to its end, lest it dies of saying more
  int port_ = 0;
};

}  // namespace postbox::tests

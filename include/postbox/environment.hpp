// Environment has the variables that a Config is made of.
//
// Place:     read at start and by Tracker::reload(), on the caller's thread.
// Threads:   a plain value. load() reads the process's environment, which must not be changed by
//            another thread meanwhile.
// Lifetime:  a plain value.
// Failure:   kInvalidConfig names the file or the variable and the line, never a value.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/result.hpp>

namespace postbox {

// The way in which Environment::load() takes a file that is missing or empty.
enum class MissingFile : std::uint8_t {
  kIsEmpty,  // take the process's variables alone
  kIsError,  // fail: the file was there before, so that it is being replaced, or was lost
};

// The process's variables over those of an environment file, taken at one moment.
class Environment {
 public:
  using Missing = MissingFile;

  // Read the file and the process's environment; a variable that stands in both has the process's
  // value. The file is a .env as other programs write it, too: NAME=VALUE, "export NAME=VALUE",
  // comments (#) and blank lines; values may be quoted with ', " or `, and have several lines then.
  // Nothing is expanded. Fails with kInvalidConfig when the file is in UTF-16, cannot be read or
  // changes all the time.
  [[nodiscard]] static Result<Environment> load(const std::string& file,
                                                Missing missing = Missing::kIsEmpty);

  // Read only `text`, in the file's format.
  [[nodiscard]] static Result<Environment> parse(std::string_view text);

  // Look up every name with `prefix` in front from now on, and none without it: for one of several
  // accounts of a process.
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

  // The variable that a lookup of `name` means.
  [[nodiscard]] std::string variable(std::string_view name) const {
    return prefix_ + std::string(name);
  }

  // Returns the value without what wraps it (see unwrapped()), or nothing when it is unset or
  // empty.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;

  // The same for a variable that matters: fails with kInvalidConfig, the name and the line when the
  // file wants to set it and its value cannot be read.
  [[nodiscard]] Result<std::optional<std::string>> read(std::string_view name) const;

  // The same for a secret, which may also stand in a file of its own: that of the variable
  // NAME_FILE, as secrets of Docker and Kubernetes are mounted. A relative path counts from the
  // folder of the environment file. Fails with kInvalidConfig when both variables are set, and when
  // the file cannot be read, is empty or has more than 64 KiB; names the variable and the path.
  [[nodiscard]] Result<std::optional<std::string>> read_secret(std::string_view name) const;

  // Warnings for a log about lines of the file that were skipped: their numbers, never their text.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  // Whether there was a file with something in it.
  [[nodiscard]] bool has_file() const noexcept { return has_file_; }

  // Puts the working directory in front of a relative name: a file that is to be read again later
  // is that of now, wherever the process goes. Links stay and are followed at each reading.
  [[nodiscard]] static Result<std::string> absolute(const std::string& file);

 private:
  using Texts = std::map<std::string, std::string, std::less<>>;

  Texts values_;
  Texts troubles_;  // by name, what is wrong with the line that sets it
  std::vector<std::string> warnings_;
  std::string prefix_;
  std::string folder_;  // of the file, with the slash; empty for the working directory
  bool has_file_ = false;
};

// A setting's value without the blanks, ends of lines and invisible characters around it, and
// without the quotes that `docker run --env-file` and mounted secrets leave there. A part of
// `value`.
[[nodiscard]] std::string_view unwrapped(std::string_view value) noexcept;

}  // namespace postbox

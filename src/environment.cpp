#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>
#include <vector>

#include <postbox/config.hpp>

#include "file_name.hpp"

namespace postbox {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool is_name(std::string_view text) {
  constexpr std::string_view kFirst = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  return !text.empty() && kFirst.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") ==
             std::string_view::npos;
}

// Cut a comment: a '#' at the start or after a blank. "pk_a#b" is a value, not a comment.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || kBlank.find(text[i - 1]) != std::string_view::npos)) {
      return trim(text.substr(0, i));
    }
  }
  return text;
}

std::optional<std::string> parse_value(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) {
    return std::string(without_comment(text));
  }
  const auto end = text.find(text.front(), 1);
  if (end == std::string_view::npos) return std::nullopt;
  if (!without_comment(trim(text.substr(end + 1))).empty()) return std::nullopt;
  return std::string(text.substr(1, end - 1));
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& file)
      : number_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

bool same(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

// Returns zero, or the error's number; EAGAIN when the file was written or replaced meanwhile.
int read_once(const std::string& file, std::string& text) {
  const Descriptor descriptor(file);
  struct stat before {};
  struct stat after {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &before) != 0) return errno;
  text.clear();
  std::array<char, 4'096> chunk{};
  for (;;) {
    const ssize_t size = ::read(descriptor.get(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(size));
  }
  if (!S_ISREG(before.st_mode)) return 0;  // a pipe, such as a shell's <(…)
  if (::stat(file.c_str(), &after) != 0) return errno;
  const bool whole = static_cast<std::size_t>(before.st_size) == text.size();
  return whole && same(before, after) ? 0 : EAGAIN;
}

// Half a file is none: a setting that is not in it would be switched off.
int read_whole(const std::string& file, std::string& text) {
  constexpr int kTries = 20;
  constexpr std::chrono::milliseconds kPause{5};
  int failed = read_once(file, text);
  for (int tries = 1; failed == EAGAIN && tries < kTries; ++tries) {
    std::this_thread::sleep_for(kPause);
    failed = read_once(file, text);
  }
  return failed;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Error lost(const std::string& file, std::string_view what) {
  return Error{ErrorCode::kInvalidConfig,
               file + ": the file " + std::string(what) +
                   ", and there were settings in it: none is changed; put the file back, or "
                   "restart to do without it"};
}

// Never quotes the line: it may hold a secret.
Error bad_line(std::size_t number, std::string_view why) {
  return Error{ErrorCode::kInvalidConfig, "line " + std::to_string(number) + ": " +
                                              std::string(why) +
                                              "; accepted are NAME=VALUE, comments (#) and "
                                              "blank lines"};
}

}  // namespace

Result<Environment> Environment::parse(std::string_view text) {
  Environment environment;
  std::vector<Error> errors;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const auto equals = line.find('=');
    const auto name = trim(line.substr(0, equals));
    auto value = parse_value(trim(line.substr(std::min(equals, line.size() - 1) + 1)));
    if (equals == std::string_view::npos) {
      errors.push_back(bad_line(number, "no '='"));
    } else if (!is_name(name)) {
      errors.push_back(bad_line(number, "not a variable's name before '='"));
    } else if (!value) {
      errors.push_back(bad_line(number, "a quote that does not close, or text after it"));
    } else {
      environment.values_.insert_or_assign(std::string(name), *std::move(value));
    }
  }
  if (!errors.empty()) return joined(errors);
  return environment;
}

Result<std::string> Environment::absolute(const std::string& file) { return absolute_name(file); }

Result<Environment> Environment::load(const std::string& file, Missing missing) {
  std::string text;
  const int failed = read_whole(file, text);
  if (failed != 0 && failed != ENOENT) {
    const std::string why = failed == EAGAIN ? "it is being written all the time"
                                             : std::generic_category().message(failed);
    return Error{ErrorCode::kInvalidConfig, file + ": " + why};
  }
  if (missing == Missing::kIsError && (failed == ENOENT || is_blank(text))) {
    return lost(file, failed == ENOENT ? "is not there" : "is empty");
  }
  auto parsed = parse(failed == ENOENT ? std::string_view() : text);
  if (!parsed) return parsed.error().with_context(file);
  Environment environment = *std::move(parsed);
  environment.has_file_ = failed == 0 && !is_blank(text);
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    environment.values_.insert_or_assign(std::string(pair.substr(0, equals)),
                                         std::string(pair.substr(equals + 1)));
  }
  return environment;
}

std::optional<std::string> Environment::get(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end() || trim(found->second).empty()) return std::nullopt;
  return std::string(trim(found->second));
}

}  // namespace postbox

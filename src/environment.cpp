#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include <postbox/environment.hpp>

#include "base/blanks.hpp"
#include "base/file_name.hpp"
#include "dotenv.hpp"

namespace postbox {
namespace {

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

// Far above any environment file or secret: what is longer is another file, or has no end.
constexpr std::size_t kMostOfFile = 1'048'576;

// Whether the last change is so young that its writer may be between two writes, or may write once
// more within the same tick of the file system's clock, so that the time of change stays as it is.
bool just_written(const struct stat& file) noexcept {
  constexpr std::chrono::milliseconds kQuiet{20};
  const std::chrono::system_clock::time_point changed{
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::seconds(file.st_mtim.tv_sec) +
          std::chrono::nanoseconds(file.st_mtim.tv_nsec))};
  const auto age = std::chrono::system_clock::now() - changed;
  // A time to come is that of another clock, such as a file server's.
  return age >= std::chrono::nanoseconds::zero() && age < kQuiet;
}

// Returns zero, or the error's number; EAGAIN when the file was written or replaced meanwhile.
int read_once(const std::string& file, std::size_t most, std::string& text) {
  const Descriptor descriptor(file);
  struct stat before {};
  struct stat after {};
  if (descriptor.get() < 0 || ::fstat(descriptor.get(), &before) != 0) return errno;
  const bool is_file = S_ISREG(before.st_mode);  // and no pipe, such as a shell's <(…)
  if (is_file && just_written(before)) return EAGAIN;
  text.clear();
  std::array<char, 4'096> chunk{};
  for (;;) {
    const ssize_t size = ::read(descriptor.get(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(size));
    if (text.size() > most) return EFBIG;
  }
  if (!is_file) return 0;
  if (::stat(file.c_str(), &after) != 0) return errno;
  const bool whole = static_cast<std::size_t>(before.st_size) == text.size();
  return whole && same(before, after) ? 0 : EAGAIN;
}

// Half a file is none: a setting that is not in it would be switched off.
int read_whole(const std::string& file, std::size_t most, std::string& text) {
  constexpr int kTries = 20;
  constexpr std::chrono::milliseconds kBetweenTries{5};
  int failed = read_once(file, most, text);
  for (int tries = 1; failed == EAGAIN && tries < kTries; ++tries) {
    std::this_thread::sleep_for(kBetweenTries);
    failed = read_once(file, most, text);
  }
  return failed;
}

std::string reason_of(int failed) {
  return failed == EAGAIN ? "it is being written all the time"
                          : std::generic_category().message(failed);
}

Error lost(const std::string& file, std::string_view what) {
  return Error{ErrorCode::kInvalidConfig,
               file + ": the file " + std::string(what) +
                   ", and there were settings in it: none is changed; put the file back, or "
                   "restart to do without it"};
}

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

// "3, 7 and 9", the first ten.
std::string listed(const std::vector<std::size_t>& numbers) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, numbers.size()); ++i) {
    const bool is_last = i + 1 == numbers.size();
    if (i > 0) text += is_last ? " and " : ", ";
    text += std::to_string(numbers[i]);
  }
  if (numbers.size() <= kMost) return text;
  return text + " and " + std::to_string(numbers.size() - kMost) + " more";
}

// One line, whatever the file is full of. Never quotes it: it may hold a secret.
std::vector<std::string> warnings_of(const Dotenv& dotenv) {
  std::string text;
  if (!dotenv.skipped.empty()) {
    text = (dotenv.skipped.size() == 1 ? "line " : "lines ") + listed(dotenv.skipped) +
           " skipped: not NAME=VALUE";
  }
  if (!dotenv.repeated.empty()) {
    text += text.empty() ? "" : "; ";
    text += (dotenv.repeated.size() == 1 ? "line " : "lines ") + listed(dotenv.repeated) +
            " set a name again with another value: the last line counts";
  }
  return text.empty() ? std::vector<std::string>() : std::vector<std::string>{text};
}

// The largest file of a secret.
constexpr std::size_t kMostOfSecret = 65'536;

std::string_view without_quotes(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return text;
  if (text.front() != '"' && text.front() != '\'') return text;
  const std::string_view inside = text.substr(1, text.size() - 2);
  // "a","b" is a list of two.
  return inside.find(text.front()) == std::string_view::npos ? inside : text;
}

}  // namespace

std::string_view unwrapped(std::string_view value) noexcept {
  return trimmed(without_quotes(trimmed(value)));
}

Result<Environment> Environment::parse(std::string_view text) {
  auto dotenv = parse_dotenv(text);
  if (!dotenv) return dotenv.error();
  Environment environment;
  environment.warnings_ = warnings_of(*dotenv);
  environment.values_ = std::move(dotenv->values);
  environment.troubles_ = std::move(dotenv->troubles);
  return environment;
}

Result<std::string> Environment::absolute(const std::string& file) { return absolute_name(file); }

Result<Environment> Environment::load(const std::string& file, Missing missing) {
  std::string text;
  const int failed = read_whole(file, kMostOfFile, text);
  if (failed != 0 && failed != ENOENT) return invalid(file + ": " + reason_of(failed));
  const bool has_text = failed == 0 && !trimmed(text).empty();
  if (missing == Missing::kIsError && !has_text) {
    return lost(file, failed == ENOENT ? "is not there" : "is empty");
  }
  auto parsed = parse(has_text ? std::string_view(text) : std::string_view());
  if (!parsed) return parsed.error().with_context(file);
  Environment environment = *std::move(parsed);
  environment.has_file_ = has_text;
  environment.folder_ = file.substr(0, file.rfind('/') + 1);
  for (std::string& warning : environment.warnings_) warning = file + ": " + warning;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(pair.substr(0, equals));
    environment.troubles_.erase(name);
    environment.values_.insert_or_assign(name, std::string(pair.substr(equals + 1)));
  }
  return environment;
}

std::optional<std::string> Environment::get(std::string_view name) const {
  const auto found = values_.find(variable(name));
  if (found == values_.end()) return std::nullopt;
  const std::string_view value = unwrapped(found->second);
  return value.empty() ? std::nullopt : std::optional<std::string>(value);
}

Result<std::optional<std::string>> Environment::read(std::string_view name) const {
  const auto trouble = troubles_.find(variable(name));
  if (trouble == troubles_.end()) return get(name);
  return invalid(trouble->second).with_context(trouble->first);
}

Result<std::optional<std::string>> Environment::read_secret(std::string_view name) const {
  auto value = read(name);
  const std::string of_file = std::string(name) + "_FILE";
  const auto file = read(of_file);
  if (!value || (file && !*file)) return value;
  if (!file) return file.error();
  if (*value) {
    return invalid(variable(name) + " and " + variable(of_file) +
                   " are both set; keep one of them");
  }
  const std::string path = (**file).starts_with('/') ? **file : folder_ + **file;
  std::string text;
  const auto fail = [&](const std::string& why) {
    return invalid(variable(of_file) + ": the file '" + path + "' " + why);
  };
  const int failed = read_whole(path, kMostOfSecret, text);
  if (failed == EFBIG) {
    return fail("has more than " + std::to_string(kMostOfSecret) + " bytes; expected a secret");
  }
  if (failed != 0) return fail("cannot be read: " + reason_of(failed));
  const std::string_view secret = unwrapped(text);
  if (secret.empty()) return fail("is empty; expected a secret");
  return std::optional<std::string>(secret);
}

}  // namespace postbox

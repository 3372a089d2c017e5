#include "import_state.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <klaviyo/hash.hpp>
#include <nlohmann/json.hpp>
#include <utility>

namespace postbox::cli {
namespace {

std::string hex_of(const Key& key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : key) {
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

// "import_" and the file's name as letters, the only ones that the name of a kept text may have.
std::string name_of(const std::string& file) {
  std::string name = hex_of(klaviyo::hash_key({file}));
  for (char& digit : name) {
    digit = static_cast<char>(digit <= '9' ? 'a' + (digit - '0') : 'a' + 10 + (digit - 'a'));
  }
  return "import_" + name;
}

Key key_of(const std::string& hex) {
  Key key{};
  for (std::size_t i = 0; i < key.size() && 2 * i + 1 < hex.size(); ++i) {
    key[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return key;
}

}  // namespace

void ImportState::add(std::string_view text) {
  const std::string_view before(reinterpret_cast<const char*>(digest.data()), digest.size());
  digest = klaviyo::hash_key({before, text});
}

Result<std::optional<ImportState>> read_state(const Tracker& tracker, const std::string& file) {
  const auto text = tracker.keep(name_of(file), {});
  if (!text) return text.error();
  if (text->empty()) return std::optional<ImportState>();
  try {
    const auto json = nlohmann::json::parse(*text);
    return std::optional(ImportState{.records = json.at("records").get<std::uint64_t>(),
                                     .refused = json.at("refused").get<std::uint64_t>(),
                                     .refused_bytes = json.at("refused_bytes").get<std::uint64_t>(),
                                     .digest = key_of(json.at("digest").get<std::string>())});
  } catch (const std::exception&) {
    return Error{ErrorCode::kInvalidArgument,
                 "the outbox has a note on the import of this file that cannot be read: begin it "
                 "again with --restart"};
  }
}

Result<void> keep_state(const Tracker& tracker, const std::string& file, const ImportState& state) {
  const nlohmann::json json{{"records", state.records},
                            {"refused", state.refused},
                            {"refused_bytes", state.refused_bytes},
                            {"digest", hex_of(state.digest)}};
  const auto kept = tracker.exchange(name_of(file), json.dump());
  if (!kept) return kept.error();
  return {};
}

Result<RefusedFile> RefusedFile::open(std::string name, std::optional<std::uint64_t> size) {
  RefusedFile file(std::move(name), size.value_or(0), -1);
  struct stat found {};
  const bool is_there = ::stat(file.name_.c_str(), &found) == 0 && found.st_size > 0;
  if (!size && is_there) {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + file.name_ +
                     "' is there already, of another import: move it away, or name "
                     "another file with --rejected"};
  }
  if (file.size_ == 0 && !is_there) return file;
  if (!is_there || std::cmp_less(found.st_size, file.size_)) {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + file.name_ +
                     "' is not as the import has left it: put it back, or begin "
                     "again with --restart"};
  }
  file.descriptor_ = ::open(file.name_.c_str(), O_WRONLY | O_CLOEXEC | O_APPEND);
  if (file.descriptor_ < 0) return file.error("cannot be opened");
  if (::ftruncate(file.descriptor_, static_cast<off_t>(file.size_)) != 0) {
    return file.error("cannot be changed");
  }
  return file;
}

RefusedFile::RefusedFile(RefusedFile&& other) noexcept
    : name_(std::move(other.name_)),
      size_(other.size_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

RefusedFile::~RefusedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Error RefusedFile::error(const char* what) const {
  return {ErrorCode::kInvalidArgument, "'" + name_ + "' " + what + ": " + std::strerror(errno)};
}

Result<void> RefusedFile::write(std::string_view lines) {
  if (descriptor_ < 0) {
    descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
    if (descriptor_ < 0) return error("cannot be made");
  }
  while (!lines.empty()) {
    const ssize_t written = ::write(descriptor_, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error("cannot be written");
    size_ += static_cast<std::uint64_t>(written);
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> RefusedFile::sync() {
  if (descriptor_ < 0 || ::fdatasync(descriptor_) == 0) return {};
  return error("cannot be written");
}

}  // namespace postbox::cli

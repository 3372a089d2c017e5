// ImportState is how far the import of a file has come, kept in the outbox that it goes to; and the
// file of what was refused.
#pragma once

#include <cstdint>
#include <optional>
#include <postbox/event.hpp>
#include <postbox/result.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>

namespace postbox::cli {

struct ImportState {
  std::uint64_t records = 0;  // those that are in the outbox or among the refused
  std::uint64_t refused = 0;
  std::uint64_t refused_bytes = 0;  // of the file of the refused
  Key digest{};                     // over the form and the records so far

  // Takes what came next into the digest.
  void add(std::string_view text);
};

// The state that is kept for the file of that absolute name; none of one whose import never began.
[[nodiscard]] Result<std::optional<ImportState>> read_state(const Tracker& tracker,
                                                            const std::string& file);

// Keeps it, durably.
[[nodiscard]] Result<void> keep_state(const Tracker& tracker, const std::string& file,
                                      const ImportState& state);

// A file of mode 0600 that is made when the first line is written.
class RefusedFile {
 public:
  // The bytes behind the first `size` are of a run that was killed, and go. Fails when the file has
  // fewer, or cannot be changed; and where there is one although `size` is unset.
  [[nodiscard]] static Result<RefusedFile> open(std::string name,
                                                std::optional<std::uint64_t> size);

  RefusedFile(RefusedFile&& other) noexcept;
  RefusedFile& operator=(RefusedFile&&) = delete;
  ~RefusedFile();

  [[nodiscard]] Result<void> write(std::string_view lines);

  // Makes the lines durable.
  [[nodiscard]] Result<void> sync();

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  RefusedFile(std::string name, std::uint64_t size, int descriptor)
      : name_(std::move(name)), size_(size), descriptor_(descriptor) {}
  [[nodiscard]] Error error(const char* what) const;

  std::string name_;
  std::uint64_t size_;
  int descriptor_;  // negative: there is no file yet
};

}  // namespace postbox::cli

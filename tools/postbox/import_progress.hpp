// ImportProgress tells how far an import has come: in one line that is written over at a terminal,
// else in a line now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "command.hpp"

namespace postbox::cli {

class ImportProgress {
 public:
  // `bytes`: of the whole file. `writing` is the lock of what others write to `console.err`.
  ImportProgress(Console& console, std::shared_ptr<std::mutex> writing, std::uint64_t bytes)
      : console_(console), writing_(std::move(writing)), bytes_(bytes) {}

  struct Place {
    std::uint64_t bytes_read = 0;
    std::uint64_t records = 0;
    std::uint64_t refused = 0;
    std::uint64_t waiting = 0;  // events of history in the outbox
  };

  // Begins a part of the work, "looking through" or "importing": rates and the time that is left
  // are of it alone, from `place` on.
  void begin(std::string what, const Place& place);

  // Writes the line when it is time for one.
  void show(const Place& place);

  // Takes the line away from a terminal: another one follows.
  void clear();

 private:
  using Moment = std::chrono::steady_clock::time_point;
  [[nodiscard]] std::string line(const Place& place, Moment now) const;

  Console& console_;
  const std::shared_ptr<std::mutex> writing_;
  const std::uint64_t bytes_;
  std::string what_;
  Place from_{};
  Moment begin_{};
  Moment next_{};
  bool is_shown_ = false;
};

}  // namespace postbox::cli

// Delivery sends from an outbox in this process, where no server does.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <postbox/tracker.hpp>

#include "account.hpp"
#include "command.hpp"
#include "output.hpp"

namespace postbox::cli {

class Delivery {
 public:
  // Makes this process the sender of the outbox. Fails with kInvalidConfig without a key, and with
  // kOutboxTaken while another process is the sender. Lines of the log go to `console.err`, which
  // must outlive this, from warnings on.
  [[nodiscard]] static Result<Delivery> start(const AccountOptions& options, Console& console);

  [[nodiscard]] const klaviyo::Config& config() const noexcept { return config_; }

  // Sends held events although their family is off, see Tracker::send_held(). Returns how many.
  [[nodiscard]] Result<std::size_t> release(const HeldQuery& query, std::size_t max);

  // Sends until nothing waits and what was released has gone, until `timeout` has passed, or until
  // the program is to end. Writes lines of progress to `console.err`. Then stops. Returns how it
  // ended.
  enum class End : std::uint8_t { kNothingWaits, kTimeout, kInterrupted };
  End run(std::chrono::milliseconds timeout, Console& console);

  // What became of the events, as of the end.
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

 private:
  Delivery(klaviyo::Config config, Tracker tracker, std::shared_ptr<std::mutex> writing)
      : config_(std::move(config)), writing_(std::move(writing)), tracker_(std::move(tracker)) {}
  [[nodiscard]] bool is_done();
  void write_progress(Console& console);

  klaviyo::Config config_;
  std::shared_ptr<std::mutex> writing_;  // of the console's `err`: the log is written by threads
  Stats stats_{};
  std::uint64_t may_be_held_ = std::numeric_limits<std::uint64_t>::max();  // at the end
  Tracker tracker_;
};

// Writes what has become of the events, with `first` in front, and returns the exit code.
int write_end(Delivery::End end, const Delivery& delivery, const Json& first, bool as_json,
              Console& console);

}  // namespace postbox::cli

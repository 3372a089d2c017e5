// RateLedger is asked for requests that may start, and told what the vendor's answers say, by
// servers that share an account; DatabaseLedger has it in their database, see version_1_rate.sql.
//
// Place:     one per server, below its SharedRateGates.
// Threads:   one thread, the sender's.
// Lifetime:  shared by the gates.
// Failure:   a database that does not answer is left alone for some seconds, and there is no grant.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>

#include "postgres/store.hpp"

namespace postbox::postgres {

// What answers say about the steady window, at some time.
struct RateSeen {
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  SteadyTime end_from;  // its end lies between these two
  SteadyTime end_to;
};

struct RateQuestion {
  std::int64_t wanted = 0;  // of the burst; zero: only to tell
  std::chrono::milliseconds span{0};
  bool evenly = false;
  std::int64_t per_mille = 1000;
  std::int64_t recent = 0;  // started within the last burst window
  std::int64_t window = 0;  // of the last grant
  std::int64_t unused = 0;  // of what was granted in it
  std::optional<RateSeen> seen{};
  std::optional<std::chrono::milliseconds> refused_for{};
};

struct RateGrant {
  std::int64_t requests = 0;
  std::int64_t share = 0;  // of the burst
  SteadyTime first;        // not before it, nor after the last
  SteadyTime last;
  std::chrono::milliseconds gap{1};  // between two, if they are spread evenly
  SteadyTime again;                  // when nothing was granted
  std::int64_t window = 0;
  std::int64_t room = 0;  // of the window, beyond this grant
  std::int64_t limit = 0;
  std::optional<SteadyTime> window_end{};
  bool shut = false;    // for everybody, until `again`
  bool spread = false;  // evenly, for everybody
};

class RateLedger {
 public:
  static constexpr std::chrono::milliseconds kLease{1'000};

  virtual ~RateLedger() = default;

  // Nothing when it cannot be asked.
  [[nodiscard]] virtual std::optional<RateGrant> ask(const Lane& lane,
                                                     const RateQuestion& question) = 0;

  // Whether it could be asked last, or may be once more.
  [[nodiscard]] virtual bool is_there(SteadyTime now) const noexcept = 0;

  // How many servers asked within the last minute, this one included.
  [[nodiscard]] virtual std::int64_t servers() const noexcept = 0;
};

class DatabaseLedger final : public RateLedger {
 public:
  DatabaseLedger(std::shared_ptr<Store> store, std::string account, std::int64_t server)
      : store_(std::move(store)), account_(std::move(account)), server_(server) {}

  [[nodiscard]] std::optional<RateGrant> ask(const Lane& lane,
                                             const RateQuestion& question) override;
  [[nodiscard]] bool is_there(SteadyTime now) const noexcept override { return now >= away_until_; }
  [[nodiscard]] std::int64_t servers() const noexcept override { return servers_; }

 private:
  [[nodiscard]] RateGrant grant_of(const Rows& rows, SteadyTime asked);

  std::shared_ptr<Store> store_;
  std::string account_;
  std::int64_t server_;
  std::int64_t servers_ = 1;
  SteadyTime away_until_{};
};

}  // namespace postbox::postgres

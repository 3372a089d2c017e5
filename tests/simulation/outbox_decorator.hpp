// OutboxDecorator passes every call on; WatchedOutbox notes what a shop's outbox has answered.
//
// Place:     between one shop's engine and its outbox.
// Threads:   one.
// Lifetime:  shares the outbox that it stands for.
// Failure:   that outbox's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <postbox/outbox.hpp>

#include "climate.hpp"

namespace postbox::simulation {

class OutboxDecorator : public Outbox {
 public:
  explicit OutboxDecorator(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}

  OutboxCaps caps() const noexcept override { return outbox_->caps(); }
  std::optional<std::string> file() const override { return outbox_->file(); }
  Result<Appended> append(std::span<const EventRecord> batch) override {
    return outbox_->append(batch);
  }
  Result<Claim> claim(QueueId queue, const ClaimLimits& limits, milliseconds lease) override {
    return outbox_->claim(queue, limits, lease);
  }
  Result<Settled> settle(ClaimToken token, std::span<const Outcome> outcomes) override {
    return outbox_->settle(token, outcomes);
  }
  Result<Settled> settle_all(std::span<const Decision> decisions) override {
    return outbox_->settle_all(decisions);
  }
  Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                             milliseconds lease) override {
    return outbox_->extend(token, events, lease);
  }
  Result<std::vector<QueueId>> due_queues() override { return outbox_->due_queues(); }
  Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override {
    return outbox_->release_held(queue, flag, after);
  }
  Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                       std::size_t max) override {
    return outbox_->dead(filter, after, max);
  }
  Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                             const Rewrite& rewrite) override {
    return outbox_->replay(filter, max, rewrite);
  }
  Result<std::size_t> purge(const EventFilter& filter) override { return outbox_->purge(filter); }
  Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                      std::size_t max) override {
    return outbox_->held(filter, after, max);
  }
  Result<std::vector<EventHandle>> free_held(const HeldFilter& filter, EventHandle after,
                                             std::size_t max) override {
    return outbox_->free_held(filter, after, max);
  }
  Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return outbox_->purge_held(filter);
  }
  Result<std::string> keep(std::string_view name, std::string_view text) override {
    return outbox_->keep(name, text);
  }
  Result<std::string> exchange(std::string_view name, std::string_view text) override {
    return outbox_->exchange(name, text);
  }
  Result<std::size_t> purge_profile(const Key& profile) override {
    return outbox_->purge_profile(profile);
  }
  Result<Maintained> maintain(milliseconds retention) override {
    return outbox_->maintain(retention);
  }
  Result<OutboxStats> stats() override { return outbox_->stats(); }
  NewRateGate rate_gate() override { return outbox_->rate_gate(); }
  Spilled spilled() override { return outbox_->spilled(); }

 private:
  std::shared_ptr<Outbox> outbox_;
};

class WatchedOutbox final : public OutboxDecorator {
 public:
  using OutboxDecorator::OutboxDecorator;

  std::uint64_t stored = 0;     // events of appends that succeeded, duplicates among them
  std::uint64_t says_full = 0;  // appends that were refused as full

  Result<Appended> append(std::span<const EventRecord> batch) override {
    auto appended = OutboxDecorator::append(batch);
    if (appended) {
      for (const EventRecord& record : batch) stored += has_event(record) ? 1 : 0;
    } else if (appended.error().code == ErrorCode::kOutboxFull) {
      ++says_full;
    }
    return appended;
  }
};

}  // namespace postbox::simulation

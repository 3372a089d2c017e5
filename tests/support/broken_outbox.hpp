// BrokenOutbox is an outbox whose disk can be switched off.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <postbox/outbox.hpp>

namespace postbox::tests {

using std::chrono::milliseconds;

class BrokenOutbox final : public Outbox {
 public:
  explicit BrokenOutbox(std::shared_ptr<Outbox> real) : real_(std::move(real)) {}

  std::atomic<bool> broken{false};
  std::atomic<bool> releases{true};  // whether release_held() works
  std::atomic<std::size_t> questions{0};
  std::atomic<std::size_t> looks{0};        // for queues that are due
  std::atomic<std::size_t> settlements{0};  // transactions of them

  // Somebody puts another file in place of the store.
  void replace(std::shared_ptr<Outbox> other) { real_ = std::move(other); }

  OutboxCaps caps() const noexcept override { return real_->caps(); }
  Result<Appended> append(std::span<const EventRecord> batch) override {
    if (broken) return error();
    return real_->append(batch);
  }
  Result<Claim> claim(QueueId queue, const ClaimLimits& limits, milliseconds lease) override {
    if (broken) return error();
    return real_->claim(queue, limits, lease);
  }
  Result<Settled> settle(ClaimToken token, std::span<const Outcome> outcomes) override {
    if (broken) return error();
    return real_->settle(token, outcomes);
  }
  Result<Settled> settle_all(std::span<const Decision> decisions) override {
    if (broken) return error();
    ++settlements;
    return real_->settle_all(decisions);
  }
  Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                             milliseconds lease) override {
    return real_->extend(token, events, lease);
  }
  Result<std::vector<QueueId>> due_queues() override {
    if (broken) return error();
    ++looks;
    return real_->due_queues();
  }
  Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override {
    if (broken || !releases) return error();
    return real_->release_held(queue, flag, after);
  }
  Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                       std::size_t max) override {
    return real_->dead(filter, after, max);
  }
  Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                             const Rewrite& rewrite) override {
    return real_->replay(filter, max, rewrite);
  }
  Result<std::size_t> purge(const EventFilter& filter) override { return real_->purge(filter); }
  Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                      std::size_t max) override {
    return real_->held(filter, after, max);
  }
  Result<std::vector<EventHandle>> free_held(const HeldFilter& filter, EventHandle after,
                                             std::size_t max) override {
    return real_->free_held(filter, after, max);
  }
  Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return real_->purge_held(filter);
  }
  Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override {
    return real_->list(after, max);
  }
  Result<Checked> check() override { return real_->check(); }
  Result<void> back_up(const std::string& file) override { return real_->back_up(file); }
  Result<std::string> keep(std::string_view name, std::string_view text) override {
    return real_->keep(name, text);
  }
  Result<std::string> exchange(std::string_view name, std::string_view text) override {
    if (broken) return error();
    return real_->exchange(name, text);
  }
  Result<std::size_t> purge_profile(const Key& profile) override {
    return real_->purge_profile(profile);
  }
  Result<Maintained> maintain(milliseconds retention) override {
    if (broken) return error();
    return real_->maintain(retention);
  }
  Result<OutboxStats> stats() override {
    ++questions;
    if (broken) return error();
    return real_->stats();
  }

 private:
  static Error error() { return {ErrorCode::kOutboxUnavailable, "the disk is gone"}; }
  std::shared_ptr<Outbox> real_;
};

}  // namespace postbox::tests

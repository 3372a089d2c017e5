// FarStore is an outbox on the network, as far as an outbox around it can tell: it may be away, and
// lose its answers.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <postbox/outbox.hpp>

#include "base/not_accepted.hpp"

namespace postbox::tests {

class FarStore final : public Outbox {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit FarStore(std::shared_ptr<Outbox> real) : real_(std::move(real)) {}

  enum class Mood : unsigned char {
    kThere,
    kAway,
    kLosesAnswers,  // appends are stored, and fail; then it is away
    kBusy,
    kFull,
  };
  std::atomic<Mood> mood{Mood::kThere};
  std::atomic<std::size_t> appends{0};  // asked for
  std::atomic<std::size_t> calls{0};    // that found it away

  OutboxCaps caps() const noexcept override {
    OutboxCaps caps = real_->caps();
    caps.shared = true;
    return caps;
  }
  Result<Appended> append(std::span<const EventRecord> batch) override {
    ++appends;
    switch (mood.load()) {
      case Mood::kLosesAnswers: {
        mood = Mood::kAway;
        const auto stored = real_->append(batch);
        if (!stored) return stored.error();
        lost_ = {keys_of(batch), *stored};
        return error();
      }
      case Mood::kBusy:
        return Error{ErrorCode::kOutboxBusy, "a lock is held"};
      case Mood::kFull:
        if (batch.empty()) break;
        return Error{ErrorCode::kOutboxFull, "the database is full"};
      default:
        break;
    }
    return when_there([&]() -> Result<Appended> {
      // As a database does, see BatchNumber.
      const auto lost = std::exchange(lost_, {});
      if (!lost.keys.empty() && lost.keys == keys_of(batch)) return lost.stored;
      return real_->append(batch);
    });
  }
  Result<Claim> claim(QueueId queue, const ClaimLimits& limits, Milliseconds lease) override {
    return when_there([&] { return real_->claim(queue, limits, lease); });
  }
  Result<Settled> settle(ClaimToken token, std::span<const Outcome> outcomes) override {
    return when_there([&] { return real_->settle(token, outcomes); });
  }
  Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                             Milliseconds lease) override {
    return when_there([&] { return real_->extend(token, events, lease); });
  }
  Result<std::vector<QueueId>> due_queues() override {
    return when_there([&] { return real_->due_queues(); });
  }
  Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override {
    return when_there([&] { return real_->release_held(queue, flag, after); });
  }
  Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                       std::size_t max) override {
    return when_there([&] { return real_->dead(filter, after, max); });
  }
  Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                             const Rewrite& rewrite) override {
    return when_there([&] { return real_->replay(filter, max, rewrite); });
  }
  Result<std::size_t> purge(const EventFilter& filter) override {
    return when_there([&] { return real_->purge(filter); });
  }
  Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                      std::size_t max) override {
    return when_there([&] { return real_->held(filter, after, max); });
  }
  Result<std::vector<EventHandle>> free_held(const HeldFilter& filter, EventHandle after,
                                             std::size_t max) override {
    return when_there([&] { return real_->free_held(filter, after, max); });
  }
  Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return when_there([&] { return real_->purge_held(filter); });
  }
  Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override {
    return when_there([&] { return real_->list(after, max); });
  }
  Result<Checked> check() override {
    return when_there([&] { return real_->check(); });
  }
  Result<std::string> keep(std::string_view name, std::string_view text) override {
    return when_there([&] { return real_->keep(name, text); });
  }
  Result<std::string> exchange(std::string_view name, std::string_view text) override {
    return when_there([&] { return real_->exchange(name, text); });
  }
  Result<std::size_t> rewrite_payloads(const PayloadRewrite& rewrite) override {
    return when_there([&] { return real_->rewrite_payloads(rewrite); });
  }
  Result<std::size_t> purge_profile(const Key& profile) override {
    return when_there([&] { return real_->purge_profile(profile); });
  }
  Result<Maintained> maintain(Milliseconds retention) override {
    return when_there([&] { return real_->maintain(retention); });
  }
  Result<OutboxStats> stats() override {
    return when_there([&] { return real_->stats(); });
  }

 private:
  static Error error() { return {ErrorCode::kOutboxUnavailable, "the database is away"}; }

  // An append whose answer was lost.
  struct Lost {
    std::vector<Key> keys{};
    Appended stored{};
  };
  static std::vector<Key> keys_of(std::span<const EventRecord> batch) {
    std::vector<Key> keys;
    for (const EventRecord& record : batch) keys.push_back(record.dedup_key);
    return keys;
  }

  template <class Call>
  auto when_there(Call call) -> decltype(call()) {
    if (mood != Mood::kAway) return call();
    ++calls;
    return error();
  }

  const std::shared_ptr<Outbox> real_;
  Lost lost_;
};

// A backend of files of SQLite that are taken for a database: "far://PATH".
[[nodiscard]] inline const OutboxBackend& far_backend() {
  static const OutboxBackend backend{
      "far",
      "far://PATH",
      [](std::string_view place) -> Result<void> {
        if (place.starts_with("//")) return {};
        return not_accepted("far:", "far://PATH");
      },
      [](std::string_view place) -> Result<std::string> { return std::string(place); },
      [](std::string_view) -> Result<void> { return {}; },
      [](std::string_view place, const OutboxOptions& options,
         std::shared_ptr<Clock> clock) -> Result<std::shared_ptr<Outbox>> {
        auto file = sqlite_backend().open(place.substr(2), options, std::move(clock));
        if (!file) return file;
        return {std::make_shared<FarStore>(*std::move(file))};
      }};
  return backend;
}

}  // namespace postbox::tests

// ModelOutbox is one server's way to a ModelStore, on which calls get lost: the store is away, the
// answer is, or the server dies in the midst of a call.
//
// Place:     Services::outbox of a simulated server; a backend of the conformance suite.
// Threads:   one.
// Lifetime:  shares its store with other servers.
// Failure:   kOutboxUnavailable, as its StoreWeather says.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "postgres_outbox/fronts.hpp"
#include "postgres_outbox/shared_rate_gate.hpp"

#include "model_operators.hpp"
#include "model_store.hpp"

namespace postbox::fleet {

// What is between all servers of an account and their store.
struct StoreWeather {
  bool is_away = false;
  unsigned lost_one_in = 0;  // answers after their commit; zero: none
};

enum class Ask : std::uint8_t { kAppend, kClaim, kSettle, kDue, kMaintain, kRate, kOther, kCount };

// How often a server has asked.
class Calls {
 public:
  void count(Ask ask) { ++counts_.at(static_cast<std::size_t>(ask)); }
  [[nodiscard]] std::uint64_t of(Ask ask) const {
    return counts_.at(static_cast<std::size_t>(ask));
  }
  [[nodiscard]] std::uint64_t all() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) sum += count;
    return sum;
  }
  void add(const Calls& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Ask::kCount)> counts_{};
};

class ModelOutbox final : public Outbox {
 public:
  // `clock` is the server's own; `part` is of the totals.
  ModelOutbox(std::shared_ptr<ModelStore> store, std::shared_ptr<Clock> clock, std::size_t part,
              std::shared_ptr<Random> random = seeded_random(1))
      : store_(std::move(store)),
        clock_(std::move(clock)),
        part_(part % ModelStore::kParts),
        random_(std::move(random)),
        ages_(store_->clock()) {}

  [[nodiscard]] const Calls& calls() const noexcept { return calls_; }
  void set_weather(std::shared_ptr<const StoreWeather> weather) { weather_ = std::move(weather); }

  // The server dies with so many calls more, before or after that one's commit.
  void dies_in(std::size_t calls) noexcept { dies_in_ = calls; }
  void die() noexcept { is_dead_ = true; }
  [[nodiscard]] bool is_dead() const noexcept { return is_dead_; }

  OutboxCaps caps() const noexcept override {
    return {.append = Durability::kMachine, .max_payload = mebibytes(16), .shared = true};
  }

  Result<Appended> append(std::span<const EventRecord> batch) override {
    for (const EventRecord& record : batch) {
      const bool timed = record.timing && record.timing->timer;
      const std::size_t most =
          std::max(record.payload.size(), timed ? record.timing->timer->event.payload.size() : 0);
      if (most > caps().max_payload.count) return Error{ErrorCode::kInvalidArgument, "too large"};
    }
    return run<Appended>(Ask::kAppend, [&]() -> Result<Appended> {
      auto appended = store_->append(batch, part_, batch_);
      if (appended && appended->duplicates > 0) fronts_.rescan();
      return appended;
    });
  }

  Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                      std::chrono::milliseconds lease) override {
    return run<Claim>(Ask::kClaim, [&] {
      const auto number = static_cast<std::int64_t>(queue);
      const std::int64_t from = fronts_.of(number, clock_->now());
      Claim claim = store_->claim(queue, limits, lease, from, ages_);
      if (!claim.events.empty()) {
        fronts_.move(number, static_cast<std::int64_t>(claim.events.back().handle));
      }
      return claim;
    });
  }

  Result<Settled> settle(ClaimToken token, std::span<const Outcome> outcomes) override {
    const Decision decision{token, outcomes};
    return settle_all(std::span(&decision, 1));
  }
  Result<Settled> settle_all(std::span<const Decision> decisions) override {
    return run<Settled>(Ask::kSettle, [&] {
      const ModelStore::Settlement done = store_->settle(decisions);
      const Settled& settled = done.settled;
      if (done.any_at_once || settled.ready_again || settled.stale > 0) fronts_.rescan();
      return settled;
    });
  }
  Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                             std::chrono::milliseconds lease) override {
    return run<std::size_t>(Ask::kOther, [&] { return store_->extend(token, events, lease); });
  }
  Result<std::vector<QueueId>> due_queues() override {
    return run<std::vector<QueueId>>(Ask::kDue, [&] { return store_->due_queues(); });
  }
  Result<Maintained> maintain(std::chrono::milliseconds retention) override {
    return run<Maintained>(Ask::kMaintain, [&] {
      const Maintained maintained = store_->maintain(retention, ages_);
      if (maintained.promoted > 0) fronts_.rescan();
      return maintained;
    });
  }
  Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override {
    return changed<Released>([&] { return people().release_held(queue, flag, after); });
  }
  Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                       std::size_t max) override {
    return run<std::vector<DeadLetter>>(Ask::kOther,
                                        [&] { return people().dead(filter, after, max); });
  }
  Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                             const Rewrite& rewrite) override {
    return changed<std::size_t>([&] { return people().replay(filter, max, rewrite); });
  }
  Result<std::size_t> purge(const EventFilter& filter) override {
    return run<std::size_t>(Ask::kOther, [&] { return people().purge(filter); });
  }
  Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                      std::size_t max) override {
    return run<std::vector<HeldEvent>>(Ask::kOther,
                                       [&] { return people().held(filter, after, max); });
  }
  Result<std::vector<EventHandle>> free_held(const HeldFilter& filter, EventHandle after,
                                             std::size_t max) override {
    return changed<std::vector<EventHandle>>(
        [&] { return people().free_held(filter, after, max); });
  }
  Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return changed<std::size_t>([&] { return people().purge_held(filter); });
  }
  Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override {
    return run<std::vector<ListedEvent>>(Ask::kOther, [&] { return people().list(after, max); });
  }
  Result<Checked> check() override {
    return run<Checked>(Ask::kOther, [&] { return people().check(); });
  }
  Result<std::string> keep(std::string_view name, std::string_view text) override {
    return run<std::string>(Ask::kOther, [&] {
      const auto found = store_->kept().find(name);
      if (found != store_->kept().end()) return found->second;
      if (!text.empty()) store_->kept().emplace(name, text);
      return std::string(text);
    });
  }
  Result<std::string> exchange(std::string_view name, std::string_view text) override {
    if (text.size() > kMaxKeptText) return Error{ErrorCode::kInvalidArgument, "too long"};
    return run<std::string>(Ask::kOther, [&] {
      std::string before;
      if (auto kept = store_->kept().extract(std::string(name))) before = std::move(kept.mapped());
      if (!text.empty()) store_->kept().emplace(name, text);
      return before;
    });
  }
  Result<void> back_up(const std::string&) override {
    return Error{ErrorCode::kInvalidArgument, "a model is no file"};
  }
  Result<std::size_t> purge_profile(const Key& profile) override {
    return changed<std::size_t>([&] { return people().purge_profile(profile); });
  }
  Result<OutboxStats> stats() override {
    return run<OutboxStats>(Ask::kOther, [&] { return store_->stats(); });
  }
  NewRateGate rate_gate() override;

 private:
  class Ledger;

  [[nodiscard]] ModelOperators people() { return ModelOperators(*store_); }

  template <class Value, class Work>
  Result<Value> changed(Work work) {
    auto result = run<Value>(Ask::kOther, std::move(work));
    fronts_.rescan();
    return result;
  }

  // An answer that is lost is an error, or the work is done once more, as where a connection that
  // has ended is opened again.
  template <class Value, class Work>
  Result<Value> run(Ask ask, Work work) {
    calls_.count(ask);
    const Error unavailable{ErrorCode::kOutboxUnavailable, "the store is away"};
    if (is_dead_) return unavailable;
    if (dies_in_ > 0 && --dies_in_ == 0) {
      is_dead_ = true;
      if (store_->random() % 2 == 0) (void)Result<Value>(work());
      return unavailable;
    }
    if (weather_ == nullptr) return work();
    if (weather_->is_away) return unavailable;
    Result<Value> result = work();
    if (weather_->lost_one_in == 0 || store_->random() % weather_->lost_one_in != 0) return result;
    if (store_->random() % 2 == 0) return unavailable;
    return work();
  }

  const std::shared_ptr<ModelStore> store_;
  const std::shared_ptr<Clock> clock_;
  const std::size_t part_;
  const std::shared_ptr<Random> random_;
  const AgeClock ages_;
  std::shared_ptr<const StoreWeather> weather_;
  std::size_t dies_in_ = 0;
  bool is_dead_ = false;
  Calls calls_;
  postgres::Fronts fronts_;
  BatchNumber batch_;
};

// The arguments of postbox_rate_take() for a question, and what its result means.
[[nodiscard]] inline ModelRates::Take take_of(const Lane& lane,
                                              const postgres::RateQuestion& question,
                                              std::int64_t server, SteadyTime now) {
  constexpr std::int64_t kWay = 100;
  ModelRates::Take take{.server = server,
                        .lease = postgres::RateLedger::kLease.count(),
                        .burst = lane.burst.requests,
                        .burst_ms = lane.burst.length.count(),
                        .steady = lane.steady.requests,
                        .steady_ms = lane.steady.length.count(),
                        .per_mille = question.per_mille,
                        .wanted = question.wanted,
                        .span = question.span.count(),
                        .evenly = question.evenly,
                        .recent = question.recent,
                        .of_window = question.window,
                        .unused = question.unused};
  const auto until = [now](SteadyTime time) {
    return std::chrono::floor<std::chrono::milliseconds>(time - now).count();
  };
  if (question.seen) {
    take.seen = {question.seen->limit, question.seen->remaining,
                 until(question.seen->end_from) - kWay, until(question.seen->end_to)};
  }
  if (question.refused_for) take.refused_for = question.refused_for->count();
  return take;
}

[[nodiscard]] inline postgres::RateGrant grant_of(const ModelRates::Grant& grant, SteadyTime now) {
  using std::chrono::milliseconds;
  postgres::RateGrant granted{.requests = grant.requests,
                              .share = grant.share,
                              .first = now + milliseconds(grant.starts_in),
                              .last = now + postgres::RateLedger::kLease,
                              .gap = milliseconds(grant.gap),
                              .again = now + milliseconds(grant.again),
                              .window = grant.window,
                              .room = grant.room,
                              .limit = grant.most,
                              .shut = grant.shut,
                              .spread = grant.spread};
  if (grant.ends_in) granted.window_end = now + milliseconds(*grant.ends_in);
  return granted;
}

// As DatabaseLedger, with the model's answers.
class ModelOutbox::Ledger final : public postgres::RateLedger {
 public:
  Ledger(ModelOutbox& outbox, std::int64_t server) : outbox_(outbox), server_(server) {}

  std::optional<postgres::RateGrant> ask(const Lane& lane,
                                         const postgres::RateQuestion& question) override {
    const SteadyTime now = outbox_.clock_->now();
    if (!is_there(now)) return std::nullopt;
    const ModelRates::Take take = take_of(lane, question, server_, now);
    const auto grant = outbox_.run<ModelRates::Grant>(
        Ask::kRate, [&] { return outbox_.store_->rate_take("/" + std::string(lane.name), take); });
    if (!grant) {
      away_until_ = now + std::chrono::seconds(5);
      return std::nullopt;
    }
    servers_ = grant->servers;
    return grant_of(*grant, now);
  }
  bool is_there(SteadyTime now) const noexcept override { return now >= away_until_; }
  std::int64_t servers() const noexcept override { return servers_; }

 private:
  ModelOutbox& outbox_;
  const std::int64_t server_;
  std::int64_t servers_ = 1;
  SteadyTime away_until_{};
};

inline NewRateGate ModelOutbox::rate_gate() {
  const auto server = static_cast<std::int64_t>(random_->next());
  return postgres::shared_rate_gates(std::make_shared<Ledger>(*this, server), random_);
}

}  // namespace postbox::fleet

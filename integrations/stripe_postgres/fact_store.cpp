#include <atomic>
#include <chrono>
#include <cstdint>
#include <postbox/clock.hpp>
#include <postbox/postgres_backend.hpp>
#include <string>
#include <stripe_postgres/fact_rows.hpp>
#include <stripe_postgres/fact_store.hpp>
#include <stripe_postgres/fact_upkeep.hpp>
#include <stripe_postgres/schema_text.hpp>
#include <utility>
#include <vector>

#include "base/fork_gate.hpp"
#include "base/mutex.hpp"
#include "postgres/migrate.hpp"
#include "postgres/store.hpp"
#include "postgres/uri.hpp"

namespace stripe {
namespace {

using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;
using postbox::WallTime;
using postbox::postgres::Schema;
using postbox::postgres::Session;
using postbox::postgres::Store;
using SteadyTime = std::chrono::steady_clock::time_point;
using Facts = std::vector<Fact>;
using Found = std::optional<std::string>;

// Of a statement that Stripe waits for, and of one that looks at all rows.
constexpr std::chrono::milliseconds kBusy{1'000};
constexpr std::chrono::milliseconds kBusyAtLeisure{30'000};

// After a call that the server has not answered.
constexpr std::chrono::milliseconds kLeftAlone{2'000};

constexpr std::string_view kWhat = "the fact store of webhooks";

Store connections(const Schema& schema, const std::string& uri, std::chrono::milliseconds limit) {
  return Store(schema, uri, limit, postbox::system_clock(), postbox::postgres::TimeSource::kServer);
}

class PostgresFactStore final : public FactStore {
 public:
  PostgresFactStore(const std::string& uri, FactStoreLimits limits)
      : limits_(limits),
        store_(connections(kFactSchema, uri, kBusy)),
        at_leisure_(connections(kFactSchema, uri, kBusyAtLeisure)) {}

  [[nodiscard]] bool is_shared() const noexcept override { return true; }

  Result<void> put_facts(const Facts& facts, WallTime now, WallTime expires) override {
    const auto done = use<bool>([&](Session& session) {
      fact_rows::put_facts(session, facts, now, expires);
      return true;
    });
    if (!done) return done.error();
    keep_limits_now_and_then();
    return {};
  }

  Result<Found> find_fact(std::string_view key, WallTime at, WallTime now) override {
    return use<Found>(
        [&](Session& session) { return fact_rows::find_fact(session, key, at, now); });
  }

  Result<bool> put_decisions(const std::vector<Decision>& decisions, WallTime now,
                             WallTime expires) override {
    const auto stand = use<bool>([&](Session& session) {
      return fact_rows::put_decisions(session, decisions, now, expires);
    });
    if (stand) keep_limits_now_and_then();
    return stand;
  }

  Result<Found> find_decision(std::string_view key, WallTime now) override {
    return use<Found>(
        [&](Session& session) { return fact_rows::find_decision(session, key, now); });
  }

  Result<void> put_body(const WaitingBody& body) override {
    const auto kept = use<bool>(
        [&](Session& session) { return fact_rows::put_body(session, body, limits_.waiting); });
    if (!kept) return kept.error();
    if (*kept) return {};
    return Error{ErrorCode::kOutboxFull,
                 "too many webhooks are waiting (limit " + std::to_string(limits_.waiting) + ")"};
  }

  Result<std::vector<WaitingBody>> ready_bodies(const Facts& facts, WallTime now) override {
    return use<std::vector<WaitingBody>>(
        [&](Session& session) { return fact_rows::ready_bodies(session, facts, now); });
  }

  Result<std::vector<std::string>> awaited_keys() override {
    return use<std::vector<std::string>>(fact_rows::awaited_keys);
  }

  Result<std::optional<WallTime>> next_due() override {
    return use<std::optional<WallTime>>(fact_rows::next_due);
  }

  Result<bool> put_off_body(const WaitingBody& body, WallTime until) override {
    return use<bool>(
        [&](Session& session) { return fact_rows::put_off_body(session, body, until); });
  }

  Result<bool> remove_body(std::string_view event_id) override {
    return use<bool>([&](Session& session) { return fact_rows::remove_body(session, event_id); });
  }

  Result<std::size_t> forget(std::string_view email) override {
    return use_at_leisure<std::size_t>(
        [&](Session& session) { return fact_upkeep::forget(session, email); });
  }

  Result<std::size_t> expire(WallTime now) override {
    std::size_t removed = 0;
    for (;;) {
      const auto some = use_at_leisure<std::size_t>(
          [&](Session& session) { return fact_upkeep::remove_expired(session, now); });
      if (!some) return some;
      removed += *some;
      if (*some == 0) return removed;
    }
  }

  Result<std::size_t> rewrite(const Rewrite& change) override {
    fact_upkeep::Rewritten done;
    while (!done.is_done) {
      auto some = use_at_leisure<fact_upkeep::Rewritten>(
          [&](Session& session) { return fact_upkeep::rewrite_some(session, done, change); });
      if (!some) return some.error();
      done = *std::move(some);
    }
    return done.changed;
  }

 private:
  // On the connection that webhooks wait for, one after the other. Where the server does not even
  // refuse, each would wait for as long as the one before it, and so for the sum.
  template <class Value, class Work>
  Result<Value> use(Work work) {
    const postbox::NoFork no_fork;  // so that no child inherits the mutex taken
    if (!postbox::forked_at_rest()) {
      return Error{ErrorCode::kClosed, "this process was forked while a connection was in use"};
    }
    const postbox::MutexLock lock(mutex_);
    const SteadyTime begin = std::chrono::steady_clock::now();
    if (begin < left_alone_until_) {
      return Error{
          ErrorCode::kOutboxUnavailable,
          std::string(kWhat) + ": the server did not answer, and is left alone for a moment"};
    }
    auto result = store_.run<Value>(Store::Role::kWriter, kWhat, std::move(work));
    const SteadyTime end = std::chrono::steady_clock::now();
    const bool is_away = !result && result.error().code == ErrorCode::kOutboxUnavailable;
    if (is_away && end - begin > kBusy) left_alone_until_ = end + kLeftAlone;
    return result;
  }

  template <class Value, class Work>
  Result<Value> use_at_leisure(Work work) {
    return at_leisure_.run<Value>(Store::Role::kOperator, kWhat, std::move(work));
  }

  // The next time is soon enough when it fails.
  void keep_limits_now_and_then() {
    constexpr std::uint64_t kWritesBetween = 256;
    if (writes_++ % kWritesBetween != 0) return;
    (void)use_at_leisure<bool>([&](Session& session) {
      fact_upkeep::keep_limits(session, limits_);
      return true;
    });
  }

  const FactStoreLimits limits_;
  std::atomic<std::uint64_t> writes_{0};

  postbox::Mutex mutex_;
  Store store_ POSTBOX_GUARDED_BY(mutex_);
  SteadyTime left_alone_until_ POSTBOX_GUARDED_BY(mutex_);
  Store at_leisure_;  // guards itself
};

// Of who only looks.
constexpr Schema kNoTables{};

}  // namespace

Result<std::shared_ptr<FactStore>> postgres_fact_store(std::string_view url,
                                                       FactStoreLimits limits) {
  const auto uri = postbox::postgres::uri_of(url, postbox::postgres_backend());
  if (!uri) return uri.error();
  return std::shared_ptr<FactStore>(std::make_shared<PostgresFactStore>(*uri, limits));
}

Result<bool> has_postgres_fact_store(std::string_view url) {
  const auto uri = postbox::postgres::uri_of(url, postbox::postgres_backend());
  if (!uri) return uri.error();
  Store store = connections(kNoTables, *uri, kBusy);
  return store.run<bool>(Store::Role::kOperator, kWhat, [](Session& session) {
    postbox::postgres::Transaction look(session, postbox::postgres::Transaction::Kind::kRead);
    return look.finish("SELECT to_regclass('postbox_stripe_waiting') IS NOT NULL").boolean(0, 0);
  });
}

}  // namespace stripe

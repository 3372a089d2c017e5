// PostgresOutbox keeps events in tables of a PostgreSQL database, for any number of processes.
//
// Place:     what open_outbox() returns for "postgres:…", once a program has handed over the
//            backend.
// Threads:   every member may be called from several threads at once; see Store.
// Lifetime:  owns its connections; see Store.
// Failure:   as Outbox. A call that has failed may be repeated; what it may have done already is
//            not counted twice.
//
// Durability: a commit returns when it is on the server's disk, and on a standby's as
//            synchronous_standby_names says. Claims do not wait for that: one that a crash undoes
//            is a lease less.
// Time:      the database's, see DatabaseTime. Leases are columns of their rows.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>

#include "base/batch_number.hpp"
#include "base/mutex.hpp"
#include "fronts.hpp"
#include "postgres/store.hpp"

namespace postbox {

class PostgresOutbox final : public Outbox {
 public:
  // `place` is what stands behind "postgres:".
  PostgresOutbox(std::string_view place, const OutboxOptions& options, std::shared_ptr<Clock> clock,
                 postgres::TimeSource source);
  PostgresOutbox(const PostgresOutbox&) = delete;
  PostgresOutbox& operator=(const PostgresOutbox&) = delete;

  [[nodiscard]] OutboxCaps caps() const noexcept override;
  [[nodiscard]] Result<Appended> append(std::span<const EventRecord> batch) override;
  [[nodiscard]] Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                                    std::chrono::milliseconds lease) override;
  [[nodiscard]] Result<Settled> settle(ClaimToken token,
                                       std::span<const Outcome> outcomes) override;
  [[nodiscard]] Result<Settled> settle_all(std::span<const Decision> decisions) override;
  [[nodiscard]] Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                                           std::chrono::milliseconds lease) override;
  [[nodiscard]] Result<std::vector<QueueId>> due_queues() override;
  [[nodiscard]] Result<Released> release_held(QueueId queue, Flag flag, EventHandle after) override;
  [[nodiscard]] Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                                     std::size_t max) override;
  [[nodiscard]] Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                                           const Rewrite& rewrite) override;
  [[nodiscard]] Result<std::size_t> purge(const EventFilter& filter) override;
  [[nodiscard]] Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                                    std::size_t max) override;
  [[nodiscard]] Result<std::vector<EventHandle>> free_held(const HeldFilter& filter,
                                                           EventHandle after,
                                                           std::size_t max) override;
  [[nodiscard]] Result<std::size_t> purge_held(const HeldFilter& filter) override;
  [[nodiscard]] Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override;
  [[nodiscard]] Result<Checked> check() override;
  [[nodiscard]] Result<void> back_up(const std::string& file) override;
  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) override;
  [[nodiscard]] Result<std::string> exchange(std::string_view name, std::string_view text) override;
  [[nodiscard]] Result<std::size_t> purge_profile(const Key& profile) override;
  [[nodiscard]] Result<std::size_t> rewrite_payloads(const PayloadRewrite& rewrite) override;
  [[nodiscard]] Result<Maintained> maintain(std::chrono::milliseconds retention) override;
  [[nodiscard]] Result<OutboxStats> stats() override;
  [[nodiscard]] NewRateGate rate_gate() override;

 private:
  using Role = postgres::Store::Role;

  // Runs `work` in a session of the store; what is thrown becomes an Error.
  template <class Value, class Work>
  Result<Value> run(Role role, std::string_view what, Work work) {
    return store_.run<Value>(role, what, std::move(work));
  }

  [[nodiscard]] Settled settle_in(postgres::Session& session, std::span<const Decision> decisions);

  // Constant after construction.
  const Bytes max_disk_;

  postgres::Store store_;
  postgres::Fronts fronts_;

  Mutex batch_mutex_;
  BatchNumber batch_ POSTBOX_GUARDED_BY(batch_mutex_);
};

}  // namespace postbox

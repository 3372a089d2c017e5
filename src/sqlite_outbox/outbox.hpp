// SqliteOutbox keeps events in one SQLite file, or in memory.
//
// Place:     what open_outbox() returns for "sqlite:PATH" and "memory:".
// Threads:   every member may be called from several threads at once; see Store.
// Lifetime:  owns its connections; see Store.
// Failure:   as Outbox. A damaged file is moved aside by the process that sends from it, with its
//            readable rows in a new one; the call that does so fails, and says what was done.
//
// Durability: append, and what an operator asks for, is committed with synchronous=FULL. Settle and
//            maintain use NORMAL: a power cut may undo the last of them, in order. What is lost
//            then is a delivery mark, hence an event is sent again, with the same key, and the
//            vendor de-duplicates it. A claim writes nothing, unless it finds a
//            row that is damaged.
#pragma once

#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/age_clock.hpp"
#include "store.hpp"

namespace postbox {

class SqliteOutbox final : public Outbox {
 public:
  // `path` is a resolved_name(); empty means memory.
  SqliteOutbox(std::string path, const OutboxOptions& options, std::shared_ptr<Clock> clock);
  SqliteOutbox(const SqliteOutbox&) = delete;
  SqliteOutbox& operator=(const SqliteOutbox&) = delete;

  [[nodiscard]] OutboxCaps caps() const noexcept override;
  [[nodiscard]] std::optional<std::string> file() const override { return store_.path(); }
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

 private:
  using Role = sqlite::Store::Role;

  // Runs `work` on a connection of the store; what is thrown becomes an Error.
  template <class Value, class Work>
  Result<Value> run(Role role, std::string_view what, Work work) {
    return store_.run<Value>(role, what, std::move(work));
  }

  [[nodiscard]] Result<std::size_t> erased(Result<std::size_t> purged);
  [[nodiscard]] std::int64_t now() const noexcept;

  // Constant after construction.
  const Bytes max_disk_;
  const std::shared_ptr<Clock> clock_;
  const AgeClock ages_;

  sqlite::Store store_;
  sqlite::Leases& leases_ = store_.leases();
};

}  // namespace postbox

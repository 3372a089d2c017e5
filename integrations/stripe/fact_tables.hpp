// FactTables are the tables of a fact store and every statement on them.
//
// Place:     inside the integration: below sqlite_fact_store(), which opens the file and mends it.
// Threads:   one at a time, as the connection.
// Lifetime:  holds limits and a count, no connection: it outlives a file that is replaced.
// Failure:   throws sqlite::Failure; a transaction that has not committed changes nothing.
//
// `known` has facts: a row for each time from which another value holds. `decided` has decisions.
// `waiting` has bodies, by the id that they wait under.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>
#include <vector>

namespace postbox::sqlite {
class Database;
}

namespace stripe {

class FactTables {
 public:
  using Database = postbox::sqlite::Database;
  using WallTime = postbox::WallTime;

  explicit FactTables(FactStoreLimits limits) : limits_(limits) {}

  // Leaves tables that are there.
  static void create(Database& database);

  // Copies what can be read of a damaged file. Returns how many bodies wait in `to` then.
  static std::int64_t copy_readable_rows(Database& from, Database& to);

  // As the members of FactStore.
  void put_facts(Database& database, const std::vector<Fact>& facts, WallTime now,
                 WallTime expires);
  [[nodiscard]] static std::optional<std::string> find_fact(Database& database,
                                                            std::string_view key, WallTime at,
                                                            WallTime now);
  [[nodiscard]] bool put_decisions(Database& database, const std::vector<Decision>& decisions,
                                   WallTime now, WallTime expires);
  [[nodiscard]] static std::optional<std::string> find_decision(Database& database,
                                                                std::string_view key, WallTime now);
  [[nodiscard]] postbox::Result<void> put_body(Database& database, const WaitingBody& body) const;
  [[nodiscard]] static std::vector<WaitingBody> ready_bodies(Database& database,
                                                             const std::vector<Fact>& facts,
                                                             WallTime now);
  [[nodiscard]] static std::vector<std::string> awaited_keys(Database& database);
  [[nodiscard]] static std::optional<WallTime> next_due(Database& database);
  [[nodiscard]] static bool remove_body(Database& database, std::string_view event_id);
  static void remove_bodies(Database& database);
  [[nodiscard]] static std::size_t forget(Database& database, std::string_view email);
  [[nodiscard]] static std::size_t expire(Database& database, WallTime now);

  // The part of FactStore::rewrite() that is done.
  struct Rewritten {
    enum class Table : std::uint8_t { kWaiting, kDecided, kKnown, kNone };
    Table next = Table::kWaiting;
    std::string key{};  // of that table's last row that was looked at
    std::int64_t as_of = 0;
    std::size_t changed = 0;
  };

  // Goes on with some rows, in a transaction of their own.
  static void rewrite_some(Database& database, Rewritten& done, const FactStore::Rewrite& change);

 private:
  void tidy_now_and_then(Database& database, WallTime now);

  const FactStoreLimits limits_;
  std::size_t writes_ = 0;
};

}  // namespace stripe

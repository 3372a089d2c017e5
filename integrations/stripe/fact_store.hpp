// FactStore keeps what one webhook tells and another one lacks: facts, the decisions that events
// were made with, and bodies that wait for a fact.
//
// Place:     the seam between a webhook's stages and a store; Webhook makes a SqliteFactStore.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared; must outlive the Webhook that uses it.
// Failure:   kOutboxUnavailable and its like. A webhook goes on without a store: events carry
//            Stripe's id of the customer in place of the address.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/log.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <stripe/events.hpp>
#include <vector>

namespace stripe {

// A webhook's body that is not tracked yet.
struct WaitingBody {
  std::string event_id;
  std::string body;
  std::string key;            // of the fact that it waits for
  postbox::WallTime until{};  // it goes without the fact then
  bool is_locked = false;     // encrypted with a key that is not here; `body` is empty
};

// The addresses, links and decisions that expire first give way. Each kind has a limit of its own,
// so that many rows of one push out none of another. A row has some 150 bytes.
struct FactStoreLimits {
  std::size_t addresses = 100'000;
  std::size_t links = 200'000;      // between payments and orders, and of each other kind
  std::size_t decisions = 500'000;  // some five for each order
  std::size_t waiting = 1'000;      // bodies; beyond it put_body() fails
};

class FactStore {
 public:
  virtual ~FactStore() = default;

  // Whether servers share the store: facts and bodies come to it that this one is not told of, and
  // when it cannot be used it is away for a while. A webhook then fails, and is delivered again.
  // False unless overridden.
  [[nodiscard]] virtual bool is_shared() const noexcept { return false; }

  // Keep facts until `expires`. The value that a fact had before stays known for a few days, for
  // bodies that come late. Of two facts with one key and one time the larger value stays, whichever
  // comes first.
  virtual postbox::Result<void> put_facts(const std::vector<Fact>& facts, postbox::WallTime now,
                                          postbox::WallTime expires) = 0;

  // Returns the value that a fact had at `at`; when only later values are known, the first one that
  // is not empty.
  virtual postbox::Result<std::optional<std::string>> find_fact(std::string_view key,
                                                                postbox::WallTime at,
                                                                postbox::WallTime now) = 0;

  // Keep decisions that were not made yet; they are on disk when this returns. False when one was
  // made otherwise before; that one stays.
  virtual postbox::Result<bool> put_decisions(const std::vector<Decision>& decisions,
                                              postbox::WallTime now, postbox::WallTime expires) = 0;

  virtual postbox::Result<std::optional<std::string>> find_decision(std::string_view key,
                                                                    postbox::WallTime now) = 0;

  // Keep a body; it is on disk when this returns. A body that waits already keeps its time and gets
  // the new key. Fails with kOutboxFull.
  virtual postbox::Result<void> put_body(const WaitingBody& body) = 0;

  // The bodies that wait for one of the facts, and those whose time has come; the earliest first.
  virtual postbox::Result<std::vector<WaitingBody>> ready_bodies(const std::vector<Fact>& facts,
                                                                 postbox::WallTime now) = 0;

  // The key that each waiting body waits for.
  virtual postbox::Result<std::vector<std::string>> awaited_keys() = 0;

  // When the next body's time comes; nothing when none waits.
  virtual postbox::Result<std::optional<postbox::WallTime>> next_due() = 0;

  // Let a body whose time has come wait until `until`, so that of servers that share the store one
  // handles it. False when another one has done so, or it is gone. Does nothing unless overridden.
  virtual postbox::Result<bool> put_off_body(const WaitingBody& /*body*/,
                                             postbox::WallTime /*until*/) {
    return true;
  }

  // Remove a body that was handled. False when it is gone already.
  virtual postbox::Result<bool> remove_body(std::string_view event_id) = 0;

  // Remove facts, decisions and waiting bodies that hold the address, given in lower case. Returns
  // how many.
  virtual postbox::Result<std::size_t> forget(std::string_view email) = 0;

  // Remove facts and decisions that have expired, so that no address stays longer than it is of
  // use. A webhook calls it once an hour. Returns how many. Does nothing unless overridden.
  virtual postbox::Result<std::size_t> expire(postbox::WallTime /*now*/) { return std::size_t{0}; }

  // Returns the text to keep in place of one that is kept, or nothing to leave that.
  using Rewrite = std::function<std::optional<std::string>(std::string_view)>;

  // Ask for each value and body, and for the address in each key that has one (split_address()).
  // Others may read and write meanwhile. Returns how many records are different now. Does nothing
  // unless overridden.
  virtual postbox::Result<std::size_t> rewrite(const Rewrite& /*change*/) { return std::size_t{0}; }
};

// A file of its own beside the outbox, mode 0600; an empty path is memory only. A file that cannot
// be opened now is tried again at the next use. Decisions and waiting bodies are synced to the
// disk; facts are not, for a power cut takes none that will not be told again. A damaged file is
// moved aside, and what can be read of it goes on in a new one; `log` is told, from inside a call.
[[nodiscard]] std::shared_ptr<FactStore> sqlite_fact_store(std::string path,
                                                           FactStoreLimits limits = {},
                                                           postbox::LogSink log = {});

}  // namespace stripe

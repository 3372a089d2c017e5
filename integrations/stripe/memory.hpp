// Memory is what the webhooks remember: facts that one body says and another one lacks, what events
// were made with, and bodies that wait for a fact.
//
// Place:     the seam between Webhook and a store; SqliteMemory is the one that Webhook makes.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared; must outlive the Webhook that uses it.
// Failure:   kOutboxUnavailable and its like. A webhook goes on without: events carry Stripe's id
//            of the customer in place of the address.
#pragma once

#include <cstddef>
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
  postbox::WallTime until{};  // goes without it then
};

// Of addresses, links and decisions those that expire first give way: many of one kind push out
// none of another. A row has some 150 bytes.
struct MemoryLimits {
  std::size_t addresses = 100'000;
  std::size_t links = 200'000;      // between payments and orders, and of each other kind
  std::size_t decisions = 500'000;  // some five for each order
  std::size_t waiting = 1'000;      // bodies; beyond it wait() fails
};

class Memory {
 public:
  virtual ~Memory() = default;

  // Keep facts until `expires`. What was so before stays known for a few days, for bodies that come
  // late. Of two facts with one key and one time the larger value stays, whichever comes first.
  virtual postbox::Result<void> put(const std::vector<Fact>& facts, postbox::WallTime now,
                                    postbox::WallTime expires) = 0;

  // Returns the value that a fact had at `at`; when it is known only of later times, the first one
  // that is not empty.
  virtual postbox::Result<std::optional<std::string>> get(std::string_view key,
                                                          postbox::WallTime at,
                                                          postbox::WallTime now) = 0;

  // Keep decisions that were not made yet; they are on disk when this returns. False when one was
  // made otherwise before, which stays.
  virtual postbox::Result<bool> decide(const std::vector<Decision>& decisions,
                                       postbox::WallTime now, postbox::WallTime expires) = 0;

  virtual postbox::Result<std::optional<std::string>> decided(std::string_view key,
                                                              postbox::WallTime now) = 0;

  // Keep a body; it is on disk when this returns. Of one that waits already the key is replaced.
  // Fails with kOutboxFull.
  virtual postbox::Result<void> wait(const WaitingBody& body) = 0;

  // Those that wait for one of the facts, and those whose time has come; the earliest first.
  virtual postbox::Result<std::vector<WaitingBody>> ready(const std::vector<Fact>& facts,
                                                          postbox::WallTime now) = 0;

  // What bodies wait for: a key for each of them.
  virtual postbox::Result<std::vector<std::string>> awaited() = 0;

  // When the next body's time comes; nothing when none waits.
  virtual postbox::Result<std::optional<postbox::WallTime>> next_due() = 0;

  // Remove a body that is tracked. False when it is gone already.
  virtual postbox::Result<bool> done(std::string_view event_id) = 0;

  // Remove what holds the address, given in lower case: facts, decisions and waiting bodies.
  // Returns how many of them.
  virtual postbox::Result<std::size_t> forget(std::string_view email) = 0;
};

// A file of its own beside the outbox, mode 0600; an empty path is memory only. What cannot be
// opened now is tried again at the next use. Facts that a power cut takes are learned again;
// decisions and waiting bodies are synced to the disk. A damaged file is moved aside, with what
// waits in it, and a new one begun; `log` is told, from inside a call.
[[nodiscard]] std::shared_ptr<Memory> sqlite_memory(std::string path, MemoryLimits limits = {},
                                                    postbox::LogSink log = {});

}  // namespace stripe

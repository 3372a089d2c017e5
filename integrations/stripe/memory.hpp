// Memory is what the webhooks remember: facts that one body says and another one lacks, and bodies
// that wait for such a fact.
//
// Place:     the seam between Webhook and a store; SqliteMemory is the one that Webhook makes.
// Threads:   every member may be called from several threads at once.
// Lifetime:  shared; must outlive the Webhook that uses it.
// Failure:   kOutboxUnavailable and its like. A webhook goes on without: events carry Stripe's id
// of
//            the customer in place of the address.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
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

struct MemoryLimits {
  std::size_t facts = 100'000;  // those that expire first give way
  std::size_t waiting = 1'000;  // beyond it wait() fails
};

class Memory {
 public:
  virtual ~Memory() = default;

  // Keep facts that were true at `as_of`, until `expires`. A fact replaces an older one of its key;
  // a newer one stays. An empty value is a value.
  virtual postbox::Result<void> put(const std::vector<Fact>& facts, postbox::WallTime as_of,
                                    postbox::WallTime expires) = 0;

  // Returns the value unless it has expired.
  virtual postbox::Result<std::optional<std::string>> get(std::string_view key,
                                                          postbox::WallTime now) = 0;

  // Keep a body; it is on disk when this returns. Of one that waits already the key is replaced.
  // Fails with kOutboxFull.
  virtual postbox::Result<void> wait(const WaitingBody& body) = 0;

  // Those that wait for one of the facts, and those whose time has come; the earliest first.
  virtual postbox::Result<std::vector<WaitingBody>> ready(const std::vector<Fact>& facts,
                                                          postbox::WallTime now) = 0;

  // When the next body's time comes; nothing when none waits.
  virtual postbox::Result<std::optional<postbox::WallTime>> next_due() = 0;

  // Remove a body that is tracked.
  virtual postbox::Result<void> done(std::string_view event_id) = 0;
};

// A file of its own beside the outbox, mode 0600; an empty path is memory only. What cannot be
// opened now is tried again at the next use. Facts that a power cut takes are learned again; a
// waiting body is synced to the disk.
[[nodiscard]] std::shared_ptr<Memory> sqlite_memory(std::string path, MemoryLimits limits = {});

}  // namespace stripe

// NameLock decides who may put a file at a name, or open what stands there: one at a time, of all
// processes. Without it, one that starts while another has moved a damaged file aside would take
// the old file's log for the new one's, or the other way round.
//
// Place:     around opening a store, and around moving, salvaging or restoring its file; below
//            everything, also below the integrations.
// Threads:   a lock belongs to one thread. Two of one process exclude each other, too.
// Lifetime:  until its scope or its process ends; a child of fork() has no part in it. The lock
//            file, "<path>-lock", stays.
// Failure:   trouble() says why it is not held.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <postbox/error.hpp>

#include "fork_gate.hpp"

namespace postbox {

class NameLock final : private Inherited {
 public:
  // Waits for `timeout`, by the machine's clock.
  NameLock(const std::string& path, std::chrono::milliseconds timeout);
  NameLock(const NameLock&) = delete;
  NameLock& operator=(const NameLock&) = delete;
  ~NameLock();

  // Nothing when it is held; else kOutboxBusy or kOutboxUnavailable.
  [[nodiscard]] const std::optional<Error>& trouble() const noexcept { return trouble_; }

 private:
  [[nodiscard]] bool try_once(const std::string& file);
  void close() noexcept;
  void forked() noexcept override { close(); }

  int descriptor_ = -1;
  std::optional<Error> trouble_;
};

}  // namespace postbox

// Reception does the work of a Webhook in one process: it verifies, maps and tracks what comes,
// lets bodies wait, and has a thread for those.
//
// Place:     inside the integration: behind Webhook.
// Threads:   handle() and counts() from any thread, at the same time; run_once() from one.
// Lifetime:  the tracker must outlive it. Its end waits for the body that its thread has in hand.
// Failure:   as Webhook; the constructor throws when there is no memory or no thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <postbox/tracker.hpp>
#include <string>
#include <string_view>
#include <stripe/answer.hpp>
#include <stripe/config.hpp>

namespace stripe {

class Reception {
 public:
  Reception(Config config, postbox::Tracker& tracker);
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;
  ~Reception();

  // With everything that was made and is in force: another one may share it.
  [[nodiscard]] Config config_in_force() const;

  [[nodiscard]] postbox::Result<void> reload();

  [[nodiscard]] Answer handle(std::string_view body, std::string_view signature) noexcept;
  [[nodiscard]] Counts counts() const noexcept;
  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() const;
  [[nodiscard]] postbox::Result<std::size_t> forget(std::string_view email);
  std::optional<postbox::WallTime> run_once() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stripe

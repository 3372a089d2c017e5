// Reception is a Webhook in one process: it checks signatures, counts the results, and owns the
// stages behind it and the thread for bodies that wait.
//
// Place:     inside the integration: behind Webhook.
// Threads:   handle() and counts() from any thread, at the same time; run_once() from one.
// Lifetime:  the tracker must outlive it. The destructor waits for the body that its thread is
//            handling.
// Failure:   as Webhook; the constructor throws std::bad_alloc and, without a thread,
//            std::system_error.
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

  // With the parts that were made and the settings in force: another Reception may share them.
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

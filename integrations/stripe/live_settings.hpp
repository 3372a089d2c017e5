// LiveSettings are the settings of a webhook that reload() can change while other threads read
// them.
//
// Place:     inside the integration: Reception.
// Threads:   now() from any thread, without a lock, which a child of fork() might inherit taken.
//            reload() from any thread, one at a time.
// Lifetime:  what now() returns lives as long as the object: replaced sets are kept.
// Failure:   kInvalidConfig and std::bad_alloc change nothing.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <postbox/result.hpp>
#include <string>
#include <stripe/config.hpp>
#include <stripe/webhook_log.hpp>
#include <vector>

namespace stripe {

class LiveSettings {
 public:
  explicit LiveSettings(const Config& config);

  // The settings that reload() applies; all others have their defaults.
  [[nodiscard]] const Config& now() const noexcept { return *now_.load(); }

  // Read the environment again; write what has changed, and what needs a restart, to `log`.
  [[nodiscard]] postbox::Result<void> reload(WebhookLog& log);

  // "STRIPE_TEST_MODE=false, …": the settings that reload() applies, without the secrets.
  [[nodiscard]] std::string to_string() const;

  // Returns `config` with the settings in force.
  [[nodiscard]] Config applied_to(Config config) const;

 private:
  void put_in_force(Config values);

  const std::optional<std::string> file_;
  const std::shared_ptr<const Config> as_read_;  // by the start
  std::atomic<bool> needs_file_;
  std::mutex reloading_;  // inside NoFork only
  std::vector<std::unique_ptr<const Config>> all_;
  std::atomic<const Config*> now_{nullptr};
};

}  // namespace stripe

// AccountSource opens an account, and opens it anew when its environment file has changed: a page
// stays open for days, and which families are off decides what counts as held.
//
// Threads: get() may be called from several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "account.hpp"

namespace postbox::cli {

class AccountSource {
 public:
  explicit AccountSource(AccountOptions options) : options_(std::move(options)) {}

  // Fails with what open_account() says; the next call tries again.
  [[nodiscard]] Result<std::shared_ptr<Account>> get();

 private:
  struct Stamp {
    std::filesystem::file_time_type written{};
    std::uintmax_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] Stamp stamp() const;

  const AccountOptions options_;
  std::mutex mutex_;
  Stamp stamp_;                       // guarded by mutex_
  std::shared_ptr<Account> account_;  // guarded by mutex_
};

}  // namespace postbox::cli

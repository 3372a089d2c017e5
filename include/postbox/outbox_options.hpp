// OutboxOptions are what a host may set about the place where events wait.
//
// Place:     part of Config; open_outbox() makes an outbox of them.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   checked by Config::validate().
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <postbox/bytes.hpp>

namespace postbox {

struct OutboxBackend;  // outbox_backend.hpp

// "sqlite:PATH", a file, and "memory:", which is lost at exit: for tests. Constants.
[[nodiscard]] const OutboxBackend& sqlite_backend() noexcept;
[[nodiscard]] const OutboxBackend& memory_backend() noexcept;

struct OutboxOptions {
  std::string url = "sqlite:postbox.db";  // a backend's scheme, a colon, and its place
  std::string spill{};  // "sqlite:PATH" for when a store on the network is away. POSTBOX_SPILL
  Bytes max_disk = mebibytes(2'048);  // append fails with kOutboxFull beyond it
  std::chrono::milliseconds busy_timeout{5'000};

  // The keys that encrypt payloads at rest, AES-256-GCM: 32 bytes each, in hexadecimal digits or
  // base64. The first encrypts, all decrypt; Operator::reseal() makes the old ones needless.
  // POSTBOX_ENCRYPTION_KEY, POSTBOX_ENCRYPTION_KEY_FILE. Defaults to none: plain, of mode 0600.
  std::vector<std::string> encryption_keys{};

  // The kinds of stores that there are. They must outlive the options.
  std::vector<const OutboxBackend*> backends{&sqlite_backend(), &memory_backend()};
};

}  // namespace postbox

// The model as a backend: "model:NAME" is an outbox that was put there under that name, and
// "model:" a new one of its own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <postbox/outbox_backend.hpp>

#include "model_outbox.hpp"

namespace postbox::fleet {

// Outboxes that wait to be opened, each once.
[[nodiscard]] inline std::map<std::string, std::shared_ptr<Outbox>, std::less<>>& put_outboxes() {
  static std::map<std::string, std::shared_ptr<Outbox>, std::less<>> waiting;
  return waiting;
}

[[nodiscard]] inline const OutboxBackend& model_backend() {
  static const OutboxBackend backend{
      "model",
      "model:NAME",
      [](std::string_view) -> Result<void> { return {}; },
      [](std::string_view place) -> Result<std::string> { return std::string(place); },
      [](std::string_view) -> Result<void> { return {}; },
      [](std::string_view place, const OutboxOptions& options,
         std::shared_ptr<Clock> clock) -> Result<std::shared_ptr<Outbox>> {
        if (auto put = put_outboxes().extract(std::string(place))) return std::move(put.mapped());
        auto store = std::make_shared<ModelStore>(clock, options.max_disk, 1);
        return {std::make_shared<ModelOutbox>(std::move(store), std::move(clock), 0)};
      }};
  return backend;
}

}  // namespace postbox::fleet

// What a command shows of a stored event: its structure, with personal values masked.
#pragma once

#include <chrono>
#include <klaviyo/config.hpp>
#include <postbox/outbox.hpp>
#include <string>
#include <string_view>

#include "output.hpp"

namespace postbox::cli {

// The profile and the event's attributes as they will be sent. A value is shown when its name is
// known to hold nothing personal, or when `reveal` is set; null when the event is damaged.
[[nodiscard]] Json structure_of(const EventRecord& event, bool reveal);

// True when a property of that name is known to say what happened, and not to whom.
[[nodiscard]] bool is_plain_property(std::string_view name);

// The caller's own id of an event, such as an order's: without what looks like an address or a
// number unless `reveal` is set.
[[nodiscard]] std::string shown_key(std::string_view key, bool reveal);

// An event of a list, in the order of its columns.
struct EventLine {
  EventHandle handle{};
  std::string family;
  std::string metric;
  std::string key;
  std::chrono::milliseconds age{};
};

[[nodiscard]] Json json_of(const EventLine& line);

}  // namespace postbox::cli

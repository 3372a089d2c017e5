// The events of one order that are in an outbox.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <postbox/result.hpp>
#include <string>
#include <vector>

#include "account.hpp"
#include "event_text.hpp"

namespace postbox::cli {

// A look for an order's events, from one place of the outbox to another.
struct OrderSearch {
  std::vector<TypedEvent> events;
  std::uint64_t looked_at = 0;
  std::uint64_t locked = 0;                  // of whatever order: their key is not set
  std::optional<EventHandle> go_on_after{};  // there may be more behind it; unset at the end
};

inline constexpr EventHandle kFirstEvent{std::numeric_limits<std::int64_t>::min()};

// Looks at the events after `after` in the order of their handles, at about `most` of them.
[[nodiscard]] Result<OrderSearch> find_order(
    const Account& account, const std::string& order, EventHandle after = kFirstEvent,
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

// "waiting", "delayed", "held", "dead".
[[nodiscard]] const char* word_of(EventState state);

// A remark on where it is.
[[nodiscard]] std::string remark_of(const TypedEvent& event, const klaviyo::Config& config);

[[nodiscard]] EventLine line_of(const TypedEvent& event, const klaviyo::Config& config,
                                bool reveal);
[[nodiscard]] Json json_of(const TypedEvent& event, const klaviyo::Config& config, bool reveal);

}  // namespace postbox::cli

// The families of Klaviyo events: one feature flag each, one queue for what happens and one for
// backfills.
//
// Place:     named by the builders, by Config's flags and by Destination.
// Threads:   constants.
// Lifetime:  constants.
// Failure:   none.
#pragma once

#include <algorithm>
#include <array>
#include <postbox/event.hpp>
#include <postbox/flags.hpp>

namespace klaviyo {

// Queue numbers are written to disk: never change one, never use one again. The lowest goes first.
inline constexpr postbox::Family kPurchase{postbox::QueueId{1}, "purchase",
                                           "KLAVIYO_PURCHASE_EVENTS_ENABLED"};
inline constexpr postbox::Family kSubscription{postbox::QueueId{2}, "subscription",
                                               "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED"};
inline constexpr postbox::Family kCart{postbox::QueueId{3}, "cart",
                                       "KLAVIYO_CART_ABANDONED_ENABLED"};

// The flag list. In order of priority.
inline constexpr std::array kFamilies{kPurchase, kSubscription, kCart};

// Where the backfills of a family wait, behind everything that happens now. The queue of a backfill
// is its own.
[[nodiscard]] constexpr postbox::QueueId backfill_queue(postbox::QueueId queue) {
  return postbox::QueueId{static_cast<std::uint32_t>(queue) | 16U};
}

[[nodiscard]] constexpr postbox::Family backfill_of(const postbox::Family& family) {
  return {backfill_queue(family.queue), family.name, family.variable};
}

// Every queue, in order of priority: the families, then their backfills under the same flags.
inline constexpr auto kQueues = [] {
  std::array<postbox::Family, 2 * kFamilies.size()> queues{};
  std::copy(kFamilies.begin(), kFamilies.end(), queues.begin());
  std::transform(kFamilies.begin(), kFamilies.end(), queues.begin() + kFamilies.size(),
                 backfill_of);
  return queues;
}();
static_assert(static_cast<std::size_t>(kFamilies.back().queue) < 16 &&
                  static_cast<std::size_t>(kQueues.back().queue) < postbox::FlagSet::kMaxQueues,
              "a queue of a backfill must be one that no family and every FlagSet has");

}  // namespace klaviyo

// The families of Klaviyo events: one feature flag, one queue and one priority each.
//
// Place:     named by the builders, by Config's flags and by Destination.
// Threads:   constants.
// Lifetime:  constants.
// Failure:   none.
#pragma once

#include <array>
#include <postbox/event.hpp>

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

}  // namespace klaviyo

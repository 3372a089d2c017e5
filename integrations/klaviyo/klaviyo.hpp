// Everything that an app needs to send commerce events to Klaviyo. START HERE.
//
// Place:     the one header that a route includes.
// Threads:   see each header.
// Lifetime:  see each header.
// Failure:   see each header.
//
//   auto tracker = klaviyo::start(klaviyo::Config::from_env());
//   tracker->track(klaviyo::order_placed(order));
#pragma once

#include <klaviyo/config.hpp>
#include <klaviyo/cookie.hpp>
#include <klaviyo/events/backfill.hpp>
#include <klaviyo/events/cart.hpp>
#include <klaviyo/events/consent.hpp>
#include <klaviyo/events/custom.hpp>
#include <klaviyo/events/product.hpp>
#include <klaviyo/events/profile.hpp>
#include <klaviyo/events/purchase.hpp>
#include <klaviyo/events/subscription.hpp>
#include <klaviyo/families.hpp>
#include <klaviyo/recovery.hpp>

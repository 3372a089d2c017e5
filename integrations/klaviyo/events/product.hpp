// product_viewed() turns a ProductView into what Tracker::track() takes.
//
// Place:     the cart family; between a route and the tracker.
// Threads:   may be called from several threads at once.
// Lifetime:  the result owns the view.
// Failure:   none here: track() rejects with every violation.
#pragma once

#include <klaviyo/events/custom.hpp>
#include <klaviyo/schemas/product.hpp>

namespace klaviyo {

[[nodiscard]] Event<ProductView> product_viewed(ProductView view);

}  // namespace klaviyo

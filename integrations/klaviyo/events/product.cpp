#include <klaviyo/catalogue.hpp>
#include <klaviyo/events/product.hpp>

namespace klaviyo {

std::vector<EventType> product_event_types() { return {type_of<ProductView>()}; }

Event<ProductView> product_viewed(ProductView view) { return event(std::move(view)); }

}  // namespace klaviyo

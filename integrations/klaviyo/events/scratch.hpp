// Per-thread buffers of the builders: what all events of one call share is written once, and a
// buffer that is used again costs no allocation.
//
// Place:     used by the builders' encode().
// Threads:   each thread has its own.
// Lifetime:  valid until the same thread's next call of the same function.
// Failure:   a profile larger than Klaviyo takes is a violation.
#pragma once

#include <klaviyo/schemas/item_fields.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <postbox/event.hpp>
#include <string_view>
#include <vector>

namespace klaviyo {

// The JSON of a profile that stands at `path` and may have so many bytes.
[[nodiscard]] std::string_view profile_text(const Profile& profile, const postbox::Path& path,
                                            std::size_t max_bytes,
                                            std::vector<postbox::Violation>& violations);

// The JSON of an event's customer.
[[nodiscard]] std::string_view profile_text(const Profile& customer,
                                            std::vector<postbox::Violation>& violations);

// The flat lists of `items`.
[[nodiscard]] const FlatLists& flat_lists(const std::vector<OrderItem>& items);

}  // namespace klaviyo

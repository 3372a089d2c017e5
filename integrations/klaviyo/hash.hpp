// hash_key() makes the 16-byte keys that the outbox knows events and profiles by.
//
// Place:     inside the integration: profile keys, dedup keys, the contents of a cart.
// Threads:   may be called from several threads at once.
// Lifetime:  nothing is kept of the arguments.
// Failure:   none.
#pragma once

#include <initializer_list>
#include <postbox/event.hpp>
#include <string>
#include <string_view>

namespace klaviyo {

// The first 16 bytes of SHA-256 over the parts, each with its length before it, so that ("ab", "c")
// and ("a", "bc") differ. Keys are written to disk: the recipe must never change.
[[nodiscard]] postbox::Key hash_key(std::initializer_list<std::string_view> parts);

// Append the first 8 bytes of `key` as 16 hexadecimal digits.
void append_hex64(const postbox::Key& key, std::string& out);

}  // namespace klaviyo

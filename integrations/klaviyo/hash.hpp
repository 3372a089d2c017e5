// Hasher and hash_key() make the 16-byte keys that the outbox knows events and profiles by.
//
// Place:     inside the integration: profile keys, dedup keys, the contents of a cart.
// Threads:   may be called from several threads at once.
// Lifetime:  nothing is kept of the arguments.
// Failure:   none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <postbox/event.hpp>
#include <string>
#include <string_view>

namespace klaviyo {

// SHA-256's step over one block: as mix() does it on this processor, and by words alone, as it does
// where the processor has no instructions for it. Both are the same function.
namespace detail {
using HashState = std::array<std::uint32_t, 8>;
using HashBlock = std::array<unsigned char, 64>;
void mix(const HashBlock& block, HashState& state) noexcept;
void mix_by_words(const HashBlock& block, HashState& state) noexcept;
}  // namespace detail

// The first 16 bytes of SHA-256 over what was added. Allocates nothing, whatever its length.
class Hasher {
 public:
  Hasher() noexcept;

  void add(std::string_view part) noexcept;  // with its length before it
  void add_number(std::uint64_t number) noexcept;
  [[nodiscard]] postbox::Key finish() noexcept;  // once

 private:
  void add_bytes(std::string_view bytes) noexcept;

  detail::HashState state_;
  detail::HashBlock block_{};
  std::uint64_t size_ = 0;  // bytes that were added
};

// The first 16 bytes of SHA-256 over the parts, each with its length before it, so that ("ab", "c")
// and ("a", "bc") differ. Keys are written to disk: the recipe must never change.
[[nodiscard]] postbox::Key hash_key(std::initializer_list<std::string_view> parts);

// Append the first 8 bytes of `key` as 16 hexadecimal digits.
void append_hex64(const postbox::Key& key, std::string& out);

}  // namespace klaviyo

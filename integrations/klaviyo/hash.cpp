#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <klaviyo/hash.hpp>

namespace klaviyo {
namespace {

// SHA-256 in place of a library's: in a quiet hour the caller's caches hold nothing of OpenSSL's
// tables, and two keys cost 30 to 54 us there.

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4,
// 4.2.2), and of the square roots of the first eight (5.3.3).
constexpr std::array<std::uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr std::array<std::uint32_t, 8> kFirst = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

using Block = detail::HashBlock;
using State = detail::HashState;

std::uint32_t word_at(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24U | std::uint32_t{bytes[1]} << 16U |
         std::uint32_t{bytes[2]} << 8U | std::uint32_t{bytes[3]};
}

std::uint32_t small_sigma(std::uint32_t x, int first, int second, unsigned shift) {
  return std::rotr(x, first) ^ std::rotr(x, second) ^ (x >> shift);
}

#if defined(__x86_64__)

__m128i load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// The same by the processor's own instructions, four rounds at a time (Intel SHA Extensions, 2013).
// They hold the eight words as ABEF and CDGH.
[[gnu::target("sha,sse4.1")]] void mix_by_processor(const Block& block, State& state) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i dcba = _mm_shuffle_epi32(load(state.data()), 0xB1);
  const __m128i hgfe = _mm_shuffle_epi32(load(state.data() + 4), 0x1B);
  const __m128i abef_before = _mm_alignr_epi8(dcba, hgfe, 8);
  const __m128i cdgh_before = _mm_blend_epi16(hgfe, dcba, 0xF0);
  __m128i abef = abef_before;
  __m128i cdgh = cdgh_before;
  __m128i w[4];
  for (std::size_t i = 0; i < 4; ++i) {
    w[i] = _mm_shuffle_epi8(load(block.data() + 16 * i), big_endian);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kRound.size() / 4; ++i) {
    __m128i& oldest = w[i % 4];
    const __m128i words = _mm_add_epi32(oldest, load(kRound.data() + 4 * i));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0E));
    const __m128i newest = w[(i + 3) % 4];
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(oldest, w[(i + 1) % 4]),
                                      _mm_alignr_epi8(newest, w[(i + 2) % 4], 4));
    oldest = _mm_sha256msg2_epu32(sum, newest);
  }
  abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1B);
  cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), _mm_blend_epi16(abef, cdgh, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data() + 4), _mm_alignr_epi8(cdgh, abef, 8));
}

// Leaf 7 of CPUID. Before this is set, words do as well.
const bool kProcessorHasSha = [] {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) == 1 && (b & bit_SHA) != 0;
}();

#endif

}  // namespace

// FIPS 180-4, 6.2.2.
void detail::mix_by_words(const Block& block, State& state) noexcept {
  std::array<std::uint32_t, 16> w{};  // the schedule's last sixteen words
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = word_at(block.data() + 4 * i);
  State s = state;
  for (std::size_t t = 0; t < kRound.size(); ++t) {
    // The eight variables change places in each round; here their names do.
    const auto at = [&s, t](std::size_t variable) -> std::uint32_t& {
      return s[(variable - t) % s.size()];
    };
    const std::uint32_t a = at(0);
    const std::uint32_t b = at(1);
    const std::uint32_t e = at(4);
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t choice = (e & at(5)) ^ (~e & at(6));
    const std::uint32_t t1 = at(7) + s1 + choice + kRound[t] + w[t % 16];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t majority = (a & b) ^ (a & at(2)) ^ (b & at(2));
    at(3) += t1;
    at(7) = t1 + s0 + majority;
    w[t % 16] += small_sigma(w[(t + 1) % 16], 7, 18, 3) + w[(t + 9) % 16] +
                 small_sigma(w[(t + 14) % 16], 17, 19, 10);
  }
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += s[i];
}

void detail::mix(const Block& block, State& state) noexcept {
#if defined(__x86_64__)
  if (kProcessorHasSha) return mix_by_processor(block, state);
#endif
  mix_by_words(block, state);
}

Hasher::Hasher() noexcept : state_(kFirst) {}

void Hasher::add(std::string_view part) noexcept {
  add_number(part.size());
  add_bytes(part);
}

void Hasher::add_number(std::uint64_t number) noexcept {
  std::array<char, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(number >> (8U * i));
  add_bytes({bytes.data(), bytes.size()});
}

void Hasher::add_bytes(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const std::size_t used = size_ % block_.size();
    const std::size_t fits = std::min(bytes.size(), block_.size() - used);
    std::copy_n(bytes.data(), fits, block_.data() + used);
    size_ += fits;
    bytes.remove_prefix(fits);
    if (used + fits == block_.size()) detail::mix(block_, state_);
  }
}

// A one, zeros, and the length in bits in the last eight bytes of a block.
postbox::Key Hasher::finish() noexcept {
  constexpr std::size_t kLength = 8;
  std::size_t used = size_ % block_.size();
  block_[used++] = 0x80;
  if (used > block_.size() - kLength) {
    std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used), block_.end(), 0);
    detail::mix(block_, state_);
    used = 0;
  }
  std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used), block_.end() - kLength, 0);
  const std::uint64_t bits = size_ * 8;
  for (std::size_t i = 0; i < kLength; ++i) {
    block_[block_.size() - 1 - i] = static_cast<unsigned char>(bits >> (8U * i));
  }
  detail::mix(block_, state_);
  postbox::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::byte>(state_[i / 4] >> (8U * (3 - i % 4)));
  }
  return key;
}

postbox::Key hash_key(std::initializer_list<std::string_view> parts) {
  Hasher hasher;
  for (const std::string_view part : parts) hasher.add(part);
  return hasher.finish();
}

void append_hex64(const postbox::Key& key, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < 8; ++i) {
    const auto byte = std::to_integer<unsigned>(key[i]);
    out += kHex[byte >> 4U];
    out += kHex[byte & 0xfU];
  }
}

}  // namespace klaviyo

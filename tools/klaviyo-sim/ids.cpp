#include "ids.hpp"

#include <array>
#include <cstdio>
#include <string_view>

namespace sim {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

// SplitMix64's finisher is a bijection, so distinct serials stay distinct.
std::uint64_t scramble(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// An odd multiplier is a bijection modulo a power of two: unique for 32^length serials.
std::string letters(std::uint64_t serial, int length) {
  const std::uint64_t mixed = length < 13 ? serial * 0x9e3779b97f4a7c15ULL : scramble(serial);
  std::string text;
  for (int i = 0; i < length; ++i) {
    text += kAlphabet[(mixed >> (5 * i)) & 31U];
  }
  return text;
}

}  // namespace

std::string make_uuid(std::uint64_t serial) {
  const std::uint64_t high = scramble(serial);
  const std::uint64_t low = scramble(high);
  std::array<char, 37> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-4%03x-a%03x-%012llx",
                static_cast<unsigned>(high >> 32), static_cast<unsigned>((high >> 16) & 0xffffU),
                static_cast<unsigned>(high & 0xfffU), static_cast<unsigned>(low >> 52),
                static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text.data();
}

std::string make_event_id(std::uint64_t serial) { return letters(serial, 11); }

std::string make_profile_id(std::uint64_t serial) {
  return "01" + letters(serial, 12) + letters(~serial, 12);
}

std::string make_metric_id(std::uint64_t serial) { return letters(serial, 6); }

}  // namespace sim

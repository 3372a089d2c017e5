#include <postbox/flag_set.hpp>
#include <postbox/flags.hpp>

#include <algorithm>
#include <charconv>
#include "base/not_accepted.hpp"

namespace postbox {
namespace {

bool same_word(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

}  // namespace

Result<Flag> Flag::parse(std::string_view text) {
  for (const std::string_view word : {"true", "1", "on", "yes"}) {
    if (same_word(text, word)) return Flag::on();
  }
  for (const std::string_view word : {"false", "0", "off", "no"}) {
    if (same_word(text, word)) return Flag::off();
  }
  if (text.ends_with('%')) {
    const auto digits = text.substr(0, text.size() - 1);
    std::uint8_t percent = 0;
    const char* end = digits.data() + digits.size();
    const auto [rest, failed] = std::from_chars(digits.data(), end, percent);
    if (failed == std::errc{} && rest == end && percent <= 100) return Flag(percent);
  }
  return not_accepted(text, "true, false or 0% to 100%");
}

bool Flag::includes(const Key& profile) const noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    bits = (bits << 8U) | std::to_integer<std::uint32_t>(profile[i]);
  }
  return bits % 100 < percent_;
}

std::string Flag::to_string() const {
  if (is_off()) return "false";
  if (is_on()) return "true";
  return std::to_string(percent_) + "%";
}

Flag FlagSet::get(QueueId queue) const noexcept {
  const auto index = static_cast<std::size_t>(queue);
  return index < kMaxQueues ? Flag(percent_[index].load(std::memory_order_relaxed)) : Flag::off();
}

void FlagSet::set(QueueId queue, Flag flag) noexcept {
  const auto index = static_cast<std::size_t>(queue);
  if (index < kMaxQueues) percent_[index].store(flag.percent_, std::memory_order_relaxed);
}

}  // namespace postbox

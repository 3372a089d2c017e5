#include "record_checksum.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace postbox {
namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
constexpr std::size_t kWord = sizeof(std::uint64_t);

std::uint64_t word_at(const void* bytes, std::size_t size = kWord) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  return word;
}

// A bijection of the sum: a change within one word always changes the result.
std::uint64_t mixed(std::uint64_t sum, std::uint64_t word) {
  sum = (sum ^ word) * kOdd;
  return sum ^ (sum >> 32U);
}

std::uint64_t sum_of_start(const Key& dedup_key, std::string_view payload) {
  const std::uint64_t sum = mixed(payload.size(), word_at(dedup_key.data()));
  return mixed(sum, word_at(dedup_key.data() + kWord));
}

std::uint64_t with_rest(std::uint64_t sum, std::string_view rest) {
  for (; rest.size() >= kWord; rest.remove_prefix(kWord)) sum = mixed(sum, word_at(rest.data()));
  return mixed(sum, word_at(rest.data(), rest.size()));
}

// A step of a sum waits for the multiplication of the step before it, but not for other sums. As a
// fold, because a loop over the sums is not unrolled and would keep them in memory.
template <std::size_t... kEach>
void sum_side_by_side(std::span<const EventRecord* const, sizeof...(kEach)> records,
                      std::span<std::int64_t, sizeof...(kEach)> results,
                      std::index_sequence<kEach...>) {
  std::array sums{sum_of_start(records[kEach]->dedup_key, records[kEach]->payload)...};
  const std::array bytes{records[kEach]->payload.data()...};
  const std::size_t common = std::min({records[kEach]->payload.size()...}) / kWord * kWord;
  for (std::size_t at = 0; at < common; at += kWord) {
    ((std::get<kEach>(sums) = mixed(std::get<kEach>(sums), word_at(std::get<kEach>(bytes) + at))),
     ...);
  }
  ((results[kEach] = static_cast<std::int64_t>(with_rest(
        std::get<kEach>(sums), std::string_view(records[kEach]->payload).substr(common)))),
   ...);
}

}  // namespace

std::int64_t checksum_of(const Key& dedup_key, std::string_view payload) noexcept {
  return static_cast<std::int64_t>(with_rest(sum_of_start(dedup_key, payload), payload));
}

void checksums_of(std::span<const EventRecord* const> records,
                  std::span<std::int64_t> sums) noexcept {
  constexpr std::size_t kSideBySide = 4;
  std::size_t done = 0;
  for (; done + kSideBySide <= records.size(); done += kSideBySide) {
    sum_side_by_side(records.subspan(done).first<kSideBySide>(),
                     sums.subspan(done).first<kSideBySide>(),
                     std::make_index_sequence<kSideBySide>());
  }
  for (; done < records.size(); ++done) {
    sums[done] = checksum_of(records[done]->dedup_key, records[done]->payload);
  }
}

}  // namespace postbox

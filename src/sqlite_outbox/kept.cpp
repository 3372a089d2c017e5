#include "kept.hpp"

#include <algorithm>
#include <cstdint>
#include <postbox/outbox.hpp>
#include <utility>
#include <vector>

namespace postbox::sqlite {
namespace {

constexpr std::size_t kBytesOfRow = 7;
constexpr unsigned kBits = 8;

// All keys of a text, and no other's, lie between these two.
std::string first_key(std::string_view name) { return "kept/" + std::string(name) + "/"; }
std::string last_key(std::string_view name) { return first_key(name) + "~"; }

std::string key_of(std::string_view name, std::size_t row) {
  const bool is_near = row < 100;
  const std::string number = std::to_string(row);
  const std::size_t digits = is_near ? 2 : 4;
  return first_key(name) + (is_near ? "" : ":") + std::string(digits - number.size(), '0') + number;
}
static_assert(kMaxKeptText / kBytesOfRow < 9'999, "four digits");

std::int64_t packed(std::string_view bytes) {
  std::uint64_t value = bytes.size();
  for (std::size_t i = 0; i < kBytesOfRow; ++i) {
    value = value << kBits | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
  }
  return static_cast<std::int64_t>(value);
}

void append_unpacked(std::int64_t value, std::string& text) {
  const auto bits = static_cast<std::uint64_t>(value);
  const std::size_t size = std::min<std::size_t>(bits >> (kBits * kBytesOfRow), kBytesOfRow);
  for (std::size_t i = 0; i < size; ++i) {
    text += static_cast<char>(bits >> (kBits * (kBytesOfRow - 1 - i)));
  }
}

}  // namespace

std::string kept_text(Database& database, std::string_view name) {
  const std::string first = first_key(name);
  const std::string last = last_key(name);
  Query query(database, "SELECT value FROM meta WHERE key BETWEEN ?1 AND ?2 ORDER BY key");
  query.bind(std::string_view(first), std::string_view(last));
  std::string text;
  while (query.step()) append_unpacked(query.integer(0), text);
  return text;
}

void replace_text(Database& database, std::string_view name, std::string_view text) {
  const std::string first = first_key(name);
  const std::string last = last_key(name);
  Query(database, "DELETE FROM meta WHERE key BETWEEN ?1 AND ?2")
      .bind(std::string_view(first), std::string_view(last))
      .run();
  Query insert(database, "INSERT INTO meta(key, value) VALUES (?1, ?2)");
  for (std::size_t row = 0; row * kBytesOfRow < text.size(); ++row) {
    const std::string key = key_of(name, row);
    insert.bind(std::string_view(key), packed(text.substr(row * kBytesOfRow, kBytesOfRow))).run();
  }
}

// All or nothing: half of a text would be another one.
void copy_kept(Database& from, Database& to) {
  std::vector<std::pair<std::string, std::int64_t>> rows;
  try {
    Query query(from, "SELECT key, value FROM meta WHERE key BETWEEN 'kept/' AND 'kept/~'");
    while (query.step()) rows.emplace_back(query.bytes(0), query.integer(1));
  } catch (const Failure&) {
    return;
  }
  Query insert(to, "INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)");
  for (const auto& [key, value] : rows) insert.bind(std::string_view(key), value).run();
}

}  // namespace postbox::sqlite

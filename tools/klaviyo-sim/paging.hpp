// Cursor paging over an ordered index.
//
// Place:     under account_reads.
// Threads:   pure functions.
// Failure:   a cursor that did not come from here is std::nullopt.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// A time in seconds, then the order of arrival: distinct for every record.
struct PageKey {
  std::int64_t seconds = 0;
  std::uint64_t serial = 0;
  auto operator<=>(const PageKey&) const = default;
};

using Order = std::map<PageKey, std::size_t>;

// The place next to which a page begins. Records added later do not move it.
struct Cursor {
  bool backwards = false;
  PageKey key;
};

std::string encode_cursor(const Cursor& cursor);
std::optional<Cursor> decode_cursor(std::string_view text);

struct Page {
  std::vector<std::size_t> items;
  std::optional<Cursor> next;
  std::optional<Cursor> previous;
};

struct PageRequest {
  std::size_t size = 20;
  bool descending = false;
  std::optional<Cursor> cursor;
};

Page take_page(const Order& order, const PageRequest& request,
               const std::function<bool(std::size_t)>& accepts);

}  // namespace sim

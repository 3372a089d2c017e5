#include "paging.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace sim {
namespace {

struct Entry {
  PageKey key;
  std::size_t item;
};

template <typename Iterator>
std::vector<Entry> collect(Iterator from, Iterator end, std::size_t most,
                           const std::function<bool(std::size_t)>& accepts) {
  std::vector<Entry> entries;
  for (; from != end && entries.size() < most; ++from) {
    if (accepts(from->second)) entries.push_back({from->first, from->second});
  }
  return entries;
}

std::vector<Entry> walk(const Order& order, bool descending, const std::optional<Cursor>& cursor,
                        std::size_t most, const std::function<bool(std::size_t)>& accepts) {
  if (!descending) {
    const auto from = cursor ? order.upper_bound(cursor->key) : order.begin();
    return collect(from, order.end(), most, accepts);
  }
  const auto from =
      cursor ? std::make_reverse_iterator(order.lower_bound(cursor->key)) : order.rbegin();
  return collect(from, order.rend(), most, accepts);
}

template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string encode_cursor(const Cursor& cursor) {
  return (cursor.backwards ? "p" : "n") + std::to_string(cursor.key.seconds) + "." +
         std::to_string(cursor.key.serial);
}

std::optional<Cursor> decode_cursor(std::string_view text) {
  if (text.empty() || (text.front() != 'p' && text.front() != 'n')) return std::nullopt;
  Cursor cursor;
  cursor.backwards = text.front() == 'p';
  text.remove_prefix(1);
  if (!take_number(text, cursor.key.seconds)) return std::nullopt;
  if (text.empty() || text.front() != '.') return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, cursor.key.serial) || !text.empty()) return std::nullopt;
  return cursor;
}

Page take_page(const Order& order, const PageRequest& request,
               const std::function<bool(std::size_t)>& accepts) {
  const bool backwards = request.cursor && request.cursor->backwards;
  std::vector<Entry> entries =
      walk(order, request.descending != backwards, request.cursor, request.size + 1, accepts);
  const bool has_more = entries.size() > request.size;
  if (has_more) entries.pop_back();
  if (backwards) std::reverse(entries.begin(), entries.end());

  Page page;
  for (const Entry& entry : entries) {
    page.items.push_back(entry.item);
  }
  if (entries.empty()) return page;
  if (backwards || has_more) page.next = Cursor{false, entries.back().key};
  if (backwards ? has_more : request.cursor.has_value()) {
    page.previous = Cursor{true, entries.front().key};
  }
  return page;
}

}  // namespace sim

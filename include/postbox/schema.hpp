// Schema<T> is the field table of an event type. One table serves three uses: checking a value,
// writing it as JSON, and exporting a JSON Schema.
//
// Place:     specialised by integrations; used by encode() on the caller's thread.
// Threads:   tables are constants; the functions are pure.
// Lifetime:  nothing is kept; the writer appends to the caller's string.
// Failure:   every broken rule is appended as a Violation with the path of the caller's own field.
//            A text that is not UTF-8 or too long is none: it is written mended, see
//            append_string(), and find_mended() says where.
//
// An integration writes:
//
//   template <>
//   struct postbox::Schema<Line> {
//     static constexpr auto fields = std::make_tuple(
//         field("SKU", "sku", &Line::sku, {.required = true}, "Stock code."),
//         field("Quantity", "quantity", &Line::quantity, {.minimum = 1}, "How many."));
//   };
//
// Also WallTime, and optionals and ranges of anything. What is unset or empty is not written.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <postbox/time.hpp>
#include <postbox/trackable.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace postbox {
// "100 KB" for any string, in the strictest reading: decimal, and less than that. Whatever passes
// here passes at the vendor.
inline constexpr std::size_t kMaxStringBytes = 99'999;
inline constexpr std::size_t kMaxArrayItems = 4'000;

// Rules say what a field accepts. As data, so that an export can print it.
struct Rules {
  bool required = false;  // texts and ranges: not empty
  bool derived = false;   // computed from other fields, which are checked themselves
  std::size_t max_length = kMaxStringBytes;                         // of a text, in characters
  std::int64_t minimum = std::numeric_limits<std::int64_t>::min();  // of a number
  std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
};

// One row of a table. `get` is a pointer to a member or a captureless callable.
template <class Accessor>
struct Field {
  std::string_view name;  // as written
  std::string_view path;  // as the caller's struct calls it
  Accessor get;
  Rules rules;
  std::string_view description;
};

// The field's value in `owner`.
template <class Accessor, class T>
[[nodiscard]] constexpr decltype(auto) value_of(const Field<Accessor>& field, const T& owner) {
  if constexpr (std::is_member_object_pointer_v<Accessor>) {
    return (owner.*field.get);
  } else {
    return field.get(owner);
  }
}

template <class Accessor>
[[nodiscard]] constexpr Field<Accessor> field(std::string_view name, std::string_view path,
                                              Accessor get, Rules rules = {},
                                              std::string_view description = {}) {
  return {name, path, get, rules, description};
}

template <class T>
struct Schema;  // specialise: static constexpr auto fields = std::make_tuple(field(…), …)

// A scalar of the integration's own. Specialise with kType ("string", "number"), is_empty(v),
// write(v, out) and validate(v, path, rules, violations).
template <class T>
struct JsonValue;

// The way to a value, as a chain on the stack: it becomes a string only for a violation.
class Path {
 public:
  constexpr Path() = default;  // the value itself
  [[nodiscard]] constexpr Path child(std::string_view name) const {
    return Path(this, name, kName);
  }
  [[nodiscard]] constexpr Path item(std::size_t index) const { return Path(this, {}, index); }
  [[nodiscard]] std::string to_string() const;  // "items[2].quantity"

 private:
  static constexpr std::size_t kName = std::numeric_limits<std::size_t>::max();
  constexpr Path(const Path* parent, std::string_view name, std::size_t index)
      : parent_(parent), name_(name), index_(index) {}

  const Path* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = kName;
};

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;  // also refuses overlong and surrogates

// The length of the well-formed sequence at the front of `text`, which is not empty; zero when
// there is none.
[[nodiscard]] std::size_t utf8_length(std::string_view text) noexcept;

// `text` with U+FFFD for whatever is no UTF-8, one for a lone surrogate. The halves of a character
// that were encoded one by one (CESU-8) become that character.
[[nodiscard]] std::string mended_utf8(std::string_view text);

// Quoted and escaped; what is no UTF-8 as mended_utf8() has it, and no more than kMaxStringBytes,
// cut between two characters.
void append_string(std::string_view text, std::string& out);
void append_integer(std::int64_t number, std::string& out);
void append_decimal(std::int64_t scaled, int digits, std::string& out);  // 1250, 2: 12.50
void append_time(WallTime time, std::string& out);  // 2026-11-22T10:00:00Z, the second begun
void append_name(std::string_view name, bool first, std::string& out);  // ,"name":
void check_text(std::string_view text, const Path& path, const Rules& rules,
                std::vector<Violation>& violations);
// Append a warning when append_string() does not write `text` as it is.
void find_mended(std::string_view text, const Path& path, std::vector<Violation>& warnings);
void check_number(std::int64_t number, const Path& path, const Rules& rules,
                  std::vector<Violation>& violations);
// The years 1 to 9999: beyond them a time has no form that everyone would read.
void check_year(WallTime time, const Path& path, std::vector<Violation>& violations);
void check_count(std::size_t items, const Path& path, const Rules& rules,
                 std::vector<Violation>& violations);
void check_present(const Path& path, std::vector<Violation>& violations);

template <class T>
concept HasSchema = requires {
  Schema<T>::fields;
};
template <class T>
concept HasJsonValue = requires {
  JsonValue<T>::kType;
};
template <class T>
concept Text = std::convertible_to<const T&, std::string_view>;
template <class T>
concept SizedRange = requires(const T& range) {
  range.begin() == range.end();
  { range.size() } -> std::convertible_to<std::size_t>;
};
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

// True when T's table has a field that is written as `name`.
template <HasSchema T>
[[nodiscard]] bool has_field(std::string_view name) {
  return std::apply([&](const auto&... fields) { return ((fields.name == name) || ...); },
                    Schema<T>::fields);
}

template <class T, class Visitor>
constexpr void for_each_field(const Visitor& visit) {
  std::apply([&](const auto&... fields) { (visit(fields), ...); }, Schema<T>::fields);
}

template <class T>
[[nodiscard]] constexpr bool is_empty(const T& value) {
  if constexpr (HasJsonValue<T>) {
    return JsonValue<T>::is_empty(value);
  } else if constexpr (kIsOptional<T>) {
    return !value.has_value() || is_empty(*value);
  } else if constexpr (Text<T>) {
    return std::string_view(value).empty();
  } else if constexpr (HasSchema<T>) {
    bool empty = true;
    for_each_field<T>([&](const auto& f) { empty = empty && is_empty(value_of(f, value)); });
    return empty;
  } else if constexpr (SizedRange<T>) {
    return value.size() == 0;
  } else {
    return false;
  }
}

template <class T>
void write_json(const T& value, std::string& out);

// Write each field that is not empty. Returns true while nothing was written.
template <HasSchema T>
bool write_members(const T& value, bool first, std::string& out) {
  for_each_field<T>([&](const auto& f) {
    const auto& member = value_of(f, value);
    if (is_empty(member)) return;
    append_name(f.name, first, out);
    first = false;
    write_json(member, out);
  });
  return first;
}

// How many members write_members() would write.
template <HasSchema T>
[[nodiscard]] std::size_t count_members(const T& value) {
  std::size_t count = 0;
  for_each_field<T>([&](const auto& f) { count += is_empty(value_of(f, value)) ? 0 : 1; });
  return count;
}

// Append `value` as JSON. Allocates nothing but the growing output.
template <class T>
void write_json(const T& value, std::string& out) {
  if constexpr (HasJsonValue<T>) {
    JsonValue<T>::write(value, out);
  } else if constexpr (kIsOptional<T>) {
    write_json(*value, out);
  } else if constexpr (std::same_as<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::signed_integral<T>) {
    append_integer(value, out);
  } else if constexpr (std::same_as<T, WallTime>) {
    out += '"';
    append_time(value, out);
    out += '"';
  } else if constexpr (Text<T>) {
    append_string(value, out);
  } else if constexpr (HasSchema<T>) {
    out += '{';
    write_members(value, true, out);
    out += '}';
  } else {
    static_assert(SizedRange<T>, "this type has neither a Schema nor a JsonValue");
    out += '[';
    const char* separator = "";
    for (const auto& item : value) {
      out += separator;
      separator = ",";
      write_json(item, out);
    }
    out += ']';
  }
}

// Append a Violation for every broken rule of `value`, which stands at `path`.
template <class T>
void validate(const T& value, const Path& path, const Rules& rules,
              std::vector<Violation>& violations) {
  if constexpr (HasJsonValue<T>) {
    JsonValue<T>::validate(value, path, rules, violations);
  } else if constexpr (kIsOptional<T>) {
    if (value.has_value()) {
      validate(*value, path, rules, violations);
    } else if (rules.required) {
      check_present(path, violations);
    }
  } else if constexpr (std::signed_integral<T>) {
    check_number(value, path, rules, violations);
  } else if constexpr (std::same_as<T, WallTime>) {
    check_year(value, path, violations);
  } else if constexpr (Text<T>) {
    check_text(value, path, rules, violations);
  } else if constexpr (HasSchema<T>) {
    for_each_field<T>([&](const auto& f) {
      if (f.rules.derived) return;
      validate(value_of(f, value), path.child(f.path), f.rules, violations);
    });
  } else if constexpr (SizedRange<T>) {
    check_count(value.size(), path, rules, violations);
    std::size_t index = 0;
    for (const auto& item : value) validate(item, path.item(index++), Rules{}, violations);
  }
}

// Append a warning for every text in `value`, which stands at `path`, that is not written as it is.
template <class T>
void find_mended(const T& value, const Path& path, std::vector<Violation>& warnings) {
  if constexpr (HasJsonValue<T> || std::is_arithmetic_v<T> || std::same_as<T, WallTime>) {
    return;  // holds no text
  } else if constexpr (kIsOptional<T>) {
    if (value.has_value()) find_mended(*value, path, warnings);
  } else if constexpr (Text<T>) {
    find_mended(std::string_view(value), path, warnings);
  } else if constexpr (HasSchema<T>) {
    for_each_field<T>([&](const auto& f) {
      if (!f.rules.derived) find_mended(value_of(f, value), path.child(f.path), warnings);
    });
  } else {
    std::size_t index = 0;
    for (const auto& item : value) find_mended(item, path.item(index++), warnings);
  }
}

template <HasSchema T>
void validate(const T& value, const Path& path, std::vector<Violation>& violations) {
  validate(value, path, Rules{}, violations);
}

}  // namespace postbox

#include "parameters.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "failure.hpp"

namespace postbox::postgres {
namespace {

// The numbers of PostgreSQL's own types, which never change.
constexpr Oid kBoolean = 16;
constexpr Oid kBytea = 17;
constexpr Oid kBigint = 20;
constexpr Oid kUuid = 2950;
constexpr Oid kByteaArray = 1001;
constexpr Oid kBigintArray = 1016;
constexpr Oid kUuidArray = 2951;

constexpr unsigned kBits = 8;

template <class Integer>
void append(std::string& text, Integer value) {
  const auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t byte = sizeof(Integer); byte-- > 0;) {
    text += static_cast<char>(static_cast<unsigned char>(bits >> (kBits * byte)));
  }
}

std::string_view view_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Of one dimension, without nulls. Calls `each(text, i)`, which appends an element.
template <class Each>
std::string array_of(Oid type, std::size_t size, Each each) {
  std::string text;
  append<std::int32_t>(text, size == 0 ? 0 : 1);
  append<std::int32_t>(text, 0);
  append(text, static_cast<std::int32_t>(type));
  if (size == 0) return text;
  append(text, static_cast<std::int32_t>(size));
  append<std::int32_t>(text, 1);
  for (std::size_t i = 0; i < size; ++i) each(text, i);
  return text;
}

void append_element(std::string& text, std::string_view element) {
  append(text, static_cast<std::int32_t>(element.size()));
  text += element;
}

[[noreturn]] void fail() {
  throw Failure(Error{ErrorCode::kInternal, "a result is not of the type that was asked for"});
}

}  // namespace

Parameters& Parameters::put(Oid type, std::optional<std::string> value) {
  types_.push_back(type);
  lengths_.push_back(value ? static_cast<int>(value->size()) : 0);
  formats_.push_back(1);
  values_.push_back(std::move(value));
  return *this;
}

Parameters& Parameters::add(std::int64_t value) {
  std::string text;
  append(text, value);
  return put(kBigint, std::move(text));
}

Parameters& Parameters::add(bool value) { return put(kBoolean, std::string(1, value ? 1 : 0)); }

Parameters& Parameters::add(const Key& value) { return put(kUuid, std::string(view_of(value))); }

Parameters& Parameters::add(std::string_view bytes) { return put(kBytea, std::string(bytes)); }

Parameters& Parameters::add(const std::optional<std::int64_t>& value) {
  return value ? add(*value) : put(kBigint, std::nullopt);
}

Parameters& Parameters::add_null_key() { return put(kUuid, std::nullopt); }

Parameters& Parameters::add(const std::vector<std::int64_t>& values) {
  return put(kBigintArray, array_of(kBigint, values.size(), [&](std::string& text, std::size_t i) {
               append(text, static_cast<std::int32_t>(sizeof(std::int64_t)));
               append(text, values[i]);
             }));
}

Parameters& Parameters::add(const std::vector<Key>& values) {
  return put(kUuidArray, array_of(kUuid, values.size(), [&](std::string& text, std::size_t i) {
               append_element(text, view_of(values[i]));
             }));
}

Parameters& Parameters::add(const std::vector<std::string_view>& values) {
  return put(kByteaArray, array_of(kBytea, values.size(), [&](std::string& text, std::size_t i) {
               append_element(text, values[i]);
             }));
}

std::vector<const char*> Parameters::values() const {
  std::vector<const char*> pointers;
  pointers.reserve(values_.size());
  for (const auto& value : values_) pointers.push_back(value ? value->data() : nullptr);
  return pointers;
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view text = bytes(row, column);
  if (text.empty() || text.size() > sizeof(std::int64_t)) fail();
  std::uint64_t value = (static_cast<unsigned char>(text.front()) & 0x80U) != 0 && text.size() > 1
                            ? ~std::uint64_t{0}
                            : 0;
  for (const char c : text) value = value << kBits | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> Rows::optional(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column) != 0) return std::nullopt;
  return integer(row, column);
}

Key Rows::key(int row, int column) const {
  Key key{};
  const std::string_view text = bytes(row, column);
  if (text.size() != key.size()) fail();
  std::memcpy(key.data(), text.data(), key.size());
  return key;
}

std::string_view Rows::bytes(int row, int column) const {
  if (row >= size() || column >= PQnfields(result_.get())) fail();
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::vector<std::int64_t> Rows::integers(int column) const {
  std::vector<std::int64_t> values;
  for (int row = 0; row < size(); ++row) values.push_back(integer(row, column));
  return values;
}

}  // namespace postbox::postgres

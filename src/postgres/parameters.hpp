// Parameters are the values of a statement and Rows its result, both in PostgreSQL's binary format.
//
// Place:     inside the PostgreSQL library, on libpq.
// Threads:   plain values; one thread at a time.
// Lifetime:  own what they hold.
// Failure:   throw Failure with kInternal when a result is not what was asked for, and
//            std::bad_alloc.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/event.hpp>

namespace postbox::postgres {

class Parameters {
 public:
  Parameters() = default;
  template <class... Values>
  explicit Parameters(const Values&... values) {
    (add(values), ...);
  }

  // bigint, boolean, uuid, bytea; null for what is not there.
  Parameters& add(std::int64_t value);
  Parameters& add(bool value);
  Parameters& add(const Key& value);
  Parameters& add(std::string_view bytes);
  Parameters& add(const std::optional<std::int64_t>& value);
  Parameters& add_null_key();

  // bigint[], uuid[], bytea[].
  Parameters& add(const std::vector<std::int64_t>& values);
  Parameters& add(const std::vector<Key>& values);
  Parameters& add(const std::vector<std::string_view>& values);

  [[nodiscard]] int count() const noexcept { return static_cast<int>(types_.size()); }
  [[nodiscard]] const Oid* types() const noexcept { return types_.data(); }
  [[nodiscard]] std::vector<const char*> values() const;
  [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
  [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }

 private:
  Parameters& put(Oid type, std::optional<std::string> value);

  std::vector<std::optional<std::string>> values_;
  std::vector<Oid> types_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

struct Statement {
  const char* sql;
  Parameters parameters{};
};

class Rows {
 public:
  Rows() = default;
  explicit Rows(PGresult* result) noexcept : result_(result) {}

  [[nodiscard]] const PGresult* get() const noexcept { return result_.get(); }
  explicit operator bool() const noexcept { return result_ != nullptr; }

  [[nodiscard]] int size() const noexcept { return PQntuples(result_.get()); }
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const { return integer(row, column) != 0; }
  [[nodiscard]] std::optional<std::int64_t> optional(int row, int column) const;
  [[nodiscard]] Key key(int row, int column) const;
  [[nodiscard]] std::string_view bytes(int row, int column) const;
  [[nodiscard]] std::vector<std::int64_t> integers(int column) const;

 private:
  struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace postbox::postgres

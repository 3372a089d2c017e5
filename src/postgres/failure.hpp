// Failure is what the PostgreSQL library throws inside, and which Store::run() makes a Result of.
//
// Place:     inside the PostgreSQL library.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   none.
#pragma once

#include <cstdint>
#include <exception>
#include <utility>

#include <postbox/error.hpp>

namespace postbox::postgres {

class Failure final : public std::exception {
 public:
  // What can be done with the connection afterwards.
  enum class Connection : std::uint8_t {
    kGood,
    kBroken,   // it ended in the middle of a call, or between two
    kRefused,  // the server does not do it, or not in time: another connection may find another
               // server
  };

  explicit Failure(Error error, Connection connection = Connection::kGood,
                   bool refuses_values = false) noexcept
      : error_(std::move(error)), connection_(connection), refuses_values_(refuses_values) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] Connection connection() const noexcept { return connection_; }
  // Others may be taken. Until somebody changes a table or a trigger: an event waits for that.
  [[nodiscard]] bool refuses_values() const noexcept { return refuses_values_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
  Connection connection_;
  bool refuses_values_;
};

}  // namespace postbox::postgres

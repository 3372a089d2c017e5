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

  explicit Failure(Error error, Connection connection = Connection::kGood) noexcept
      : error_(std::move(error)), connection_(connection) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] Connection connection() const noexcept { return connection_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
  Connection connection_;
};

}  // namespace postbox::postgres

// Body is a webhook's JSON. Node is one value in it, read with the tolerance that bodies of many
// API versions need: a value that is missing, null or of another type is absent.
//
// Place:     inside the integration: the mapping of each kind of object. The only user of nlohmann.
// Threads:   reading from several threads at once is fine.
// Lifetime:  nodes and the strings that they return live as long as their Body.
// Failure:   need_…() throws BadBody, which to_events() turns into an Error.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/error.hpp>
#include <string>
#include <string_view>

namespace stripe {

class BadBody final : public std::exception {
 public:
  explicit BadBody(std::string message)
      : error_{postbox::ErrorCode::kInvalidArgument, std::move(message)} {}
  // "<path> must be <wanted>".
  BadBody(std::string_view path, std::string_view wanted)
      : BadBody(std::string(path) + " must be " + std::string(wanted)) {}

  [[nodiscard]] const postbox::Error& error() const noexcept { return error_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  postbox::Error error_;
};

class Node {
 public:
  Node() = default;
  explicit Node(const void* json) : json_(json) {}

  // Missing, or null.
  [[nodiscard]] bool is_absent() const noexcept;
  [[nodiscard]] bool is_object() const noexcept;

  // The member; absent when this is not an object.
  [[nodiscard]] Node operator[](std::string_view name) const noexcept;

  // Whether an object has the member, even if it is null.
  [[nodiscard]] bool has(std::string_view name) const noexcept;

  // The elements; none when this is not an array.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] Node at(std::size_t index) const noexcept;

  // The string; empty when this is not a string.
  [[nodiscard]] std::string_view text() const noexcept;

  // The id of an object, given as the object or as its id alone; empty when this is neither.
  [[nodiscard]] std::string_view id() const noexcept;

  // Nothing for a fraction: amounts are integers.
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  [[nodiscard]] std::optional<bool> boolean() const noexcept;
  [[nodiscard]] bool is_true() const noexcept { return boolean().value_or(false); }

  // Unix seconds.
  [[nodiscard]] std::optional<postbox::WallTime> time() const noexcept;

  // The same, but a value that is absent or of another type throws; `path` names it.
  [[nodiscard]] std::int64_t need_integer(std::string_view path) const;
  [[nodiscard]] bool need_boolean(std::string_view path) const;
  [[nodiscard]] std::string_view need_text(std::string_view path) const;
  [[nodiscard]] std::string_view need_id(std::string_view path) const;
  [[nodiscard]] postbox::WallTime need_time(std::string_view path) const;

 private:
  const void* json_ = nullptr;
};

class Body {
 public:
  // Throws BadBody when `text` is not JSON.
  explicit Body(std::string_view text);
  ~Body();
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  [[nodiscard]] Node root() const noexcept;

 private:
  struct Json;
  std::unique_ptr<Json> json_;
};

}  // namespace stripe

// ObjectReader takes typed values out of a JSON object and notes everything that is not as
// expected.
//
// Place:     inside the integration: from_json.cpp, json_paths.cpp.
// Threads:   one thread at a time.
// Lifetime:  must not outlive the JSON and the list of violations.
// Failure:   a value that cannot be used is a violation with its path, and the target stays as it
//            was. No value is ever quoted: it may be an address or a phone number.
#pragma once

#include <cstdint>
#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo::detail {

using Violations = std::vector<postbox::Violation>;

class ObjectReader {
 public:
  using Visit = std::function<void(const ObjectReader&)>;

  // `path` is empty for the body itself.
  ObjectReader(const nlohmann::json& object, std::string path, Violations& violations)
      : object_(object), path_(std::move(path)), violations_(violations) {}

  // An absent member, or null, leaves the target as it is.
  void read(std::string_view name, std::string& target) const;
  void read(std::string_view name, bool& target) const;
  void read(std::string_view name, std::int64_t& target) const;
  void read(std::string_view name, MinorUnits& target) const;
  void read(std::string_view name, Currency& target) const;
  void read(std::string_view name, Interval& target) const;
  void read(std::string_view name, ConsentUpdate::Verb& target) const;
  void read(std::string_view name, std::vector<Channel>& target) const;
  void read(std::string_view name, std::vector<std::string>& target) const;
  void read(std::string_view name, std::vector<Property>& target) const;

  template <class T>
  void read(std::string_view name, std::optional<T>& target) const {
    if (T value{}; read_value(name, value)) target = value;
  }

  // Note a violation when the member is absent. For members whose default is a valid value, so that
  // the check of the event would not miss them.
  void require(std::string_view name) const;

  // Call `visit` for the object `name`.
  void object(std::string_view name, const Visit& visit) const;

  // Append a T for each object of the list `name`. What is no object becomes an empty T, so that
  // the positions in later violations are those of the list.
  template <class T>
  void list(std::string_view name, std::vector<T>& target, T (*make)(const ObjectReader&)) const {
    each(name, [&](const ObjectReader* item) { target.push_back(item ? make(*item) : T{}); });
  }

 private:
  // Null when the member is absent, or null.
  [[nodiscard]] const nlohmann::json* find(std::string_view name) const;
  [[nodiscard]] std::string child(std::string_view name) const;
  void reject(std::string path, std::string rule) const;
  void each(std::string_view name, const std::function<void(const ObjectReader*)>& visit) const;

  // Return whether the member is there and could be read.
  bool read_value(std::string_view name, bool& target) const;
  bool read_value(std::string_view name, std::int64_t& target) const;
  bool read_value(std::string_view name, Decimal& target) const;
  bool read_value(std::string_view name, MinorUnits& target) const;
  bool read_value(std::string_view name, postbox::WallTime& target) const;

  [[nodiscard]] std::optional<std::string> text(const nlohmann::json& value,
                                                const std::string& path) const;
  [[nodiscard]] std::optional<std::int64_t> integer(const nlohmann::json& value,
                                                    const std::string& path) const;
  [[nodiscard]] std::optional<std::vector<std::string>> texts(const nlohmann::json& value,
                                                              const std::string& path) const;
  [[nodiscard]] std::optional<Decimal> decimal(const nlohmann::json& value,
                                               const std::string& path) const;

  // `level` is that of the objects around the value, the properties themselves being the first.
  [[nodiscard]] std::optional<PropertyValue> property(const nlohmann::json& value,
                                                      const std::string& path,
                                                      std::size_t level) const;
  [[nodiscard]] PropertyObject properties(const nlohmann::json& members, const std::string& path,
                                          std::size_t level) const;
  [[nodiscard]] std::vector<PropertyObject> list_of_properties(const nlohmann::json& list,
                                                               const std::string& path,
                                                               std::size_t level) const;

  const nlohmann::json& object_;
  std::string path_;
  Violations& violations_;
};

// Where a violation of the property `name` of the object at `parent`, the `index`th, is reported:
// "properties.gift", or "properties[3]" when the name is none that may be shown.
[[nodiscard]] std::string property_path(const std::string& parent, std::string_view name,
                                        std::size_t index);

}  // namespace klaviyo::detail

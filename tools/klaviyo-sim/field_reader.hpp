// FieldReader takes the members of one JSON object and notes what is wrong with them.
//
// Place:     under event_rules and profile_rules.
// Threads:   used by one thread.
// Lifetime:  borrows the object and the list of problems.
// Failure:   a wrong member is a Problem with the pointer to it; the caller reads on, so that one
//            answer names everything.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json_api.hpp"

namespace sim {

class FieldReader {
 public:
  // Reads nothing when `object` is null or not an object (the latter is noted).
  FieldReader(const Json* object, std::string pointer, std::vector<Problem>& problems);

  bool ok() const { return object_ != nullptr; }
  const std::string& pointer() const { return pointer_; }
  std::string pointer_to(std::string_view name) const { return join_pointer(pointer_, name); }

  // The member, or null when it is missing or null. `required` notes that.
  const Json* find(const char* name, bool required = false) const;

  FieldReader object(const char* name, bool required = false) const;
  std::optional<std::string> text(const char* name, bool required = false) const;
  std::optional<bool> boolean(const char* name) const;

  // Notes a `type` other than `expected`.
  void check_type(const char* expected) const;
  // Notes every member that is not in `names`, as Klaviyo does for an unknown attribute.
  void check_names(const std::vector<std::string_view>& names, const char* resource) const;

  void note(std::string_view name, std::string detail) const;

 private:
  const Json* object_;
  std::string pointer_;
  std::vector<Problem>* problems_;
};

}  // namespace sim

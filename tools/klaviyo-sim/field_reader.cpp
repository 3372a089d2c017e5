#include "field_reader.hpp"

#include <algorithm>

namespace sim {

FieldReader::FieldReader(const Json* object, std::string pointer, std::vector<Problem>& problems)
    : object_(object), pointer_(std::move(pointer)), problems_(&problems) {
  if (object_ != nullptr && !object_->is_object()) {
    problems_->push_back(invalid(pointer_, "Must be an object."));
    object_ = nullptr;
  }
}

const Json* FieldReader::find(const char* name, bool required) const {
  if (object_ == nullptr) return nullptr;
  const auto found = object_->find(name);
  if (found != object_->end() && !found->is_null()) return &*found;
  if (required) {
    note(name, std::string("'") + name + "' is a required field.");
  }
  return nullptr;
}

FieldReader FieldReader::object(const char* name, bool required) const {
  return FieldReader(find(name, required), pointer_to(name), *problems_);
}

std::optional<std::string> FieldReader::text(const char* name, bool required) const {
  const Json* member = find(name, required);
  if (member == nullptr) return std::nullopt;
  if (!member->is_string()) {
    note(name, std::string("'") + name + "' must be a string.");
    return std::nullopt;
  }
  return member->get<std::string>();
}

std::optional<bool> FieldReader::boolean(const char* name) const {
  const Json* member = find(name);
  if (member == nullptr) return std::nullopt;
  if (!member->is_boolean()) {
    note(name, std::string("'") + name + "' must be a boolean.");
    return std::nullopt;
  }
  return member->get<bool>();
}

void FieldReader::check_type(const char* expected) const {
  const auto type = text("type", true);
  if (type && *type != expected) {
    note("type", "'" + *type + "' is not the expected type '" + expected + "'.");
  }
}

void FieldReader::check_names(const std::vector<std::string_view>& names,
                              const char* resource) const {
  if (object_ == nullptr) return;
  for (const auto& [name, value] : object_->items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      note(name, "'" + name + "' is not a valid field for the resource '" + resource + "'.");
    }
  }
}

void FieldReader::note(std::string_view name, std::string detail) const {
  problems_->push_back(invalid(pointer_to(name), std::move(detail)));
}

}  // namespace sim

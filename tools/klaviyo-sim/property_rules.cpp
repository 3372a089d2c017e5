#include "property_rules.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "size_limits.hpp"

namespace sim {
namespace {

// The pointer is built only for a broken rule: most bodies have thousands of good values.
class ValueWalk {
 public:
  ValueWalk(std::string root, std::vector<Problem>& problems)
      : root_(std::move(root)), problems_(problems) {}

  void visit(const Json& value, int object_depth) {
    if (value.is_object()) {
      visit_object(value, object_depth + 1);
    } else if (value.is_array()) {
      visit_array(value, object_depth);
    } else if (value.is_string()) {
      if (value.get_ref<const std::string&>().size() > kMaxStringBytes) {
        note("A string must not exceed 100 KB.");
      }
    } else if (value.is_number_unsigned() &&
               value.get<std::uint64_t>() >
                   static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      note("An integer must fit in 64 bits with a sign.");
    }
  }

 private:
  void visit_object(const Json& value, int object_depth) {
    if (object_depth > kMaxObjectDepth) {
      note("Objects must not be nested more than 10 levels deep.");
      return;
    }
    for (const auto& [name, member] : value.items()) {
      path_.push_back(name);
      visit(member, object_depth);
      path_.pop_back();
    }
  }

  void visit_array(const Json& value, int object_depth) {
    if (value.size() > kMaxArrayItems) {
      note("An array must not have more than 4000 items.");
      return;
    }
    std::size_t index = 0;
    for (const Json& item : value) {
      path_.push_back(std::to_string(index++));
      visit(item, object_depth);
      path_.pop_back();
    }
  }

  void note(const char* detail) {
    std::string pointer = root_;
    for (const std::string& step : path_) {
      pointer = join_pointer(pointer, step);
    }
    problems_.push_back(invalid(pointer, detail));
  }

  std::string root_;
  std::vector<Problem>& problems_;
  std::vector<std::string> path_;
};

bool is_unset(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_number() && value.get<double>() == 0.0;
}

}  // namespace

void check_values(const Json& properties, const std::string& pointer,
                  std::vector<Problem>& problems) {
  ValueWalk(pointer, problems).visit(properties, 0);
}

void check_event_properties(const Json& properties, const std::string& pointer,
                            std::vector<Problem>& problems) {
  if (properties.size() > kMaxProperties) {
    problems.push_back(invalid(pointer, "An event must not have more than 400 properties."));
  }
  check_values(properties, pointer, problems);
}

Json without_unset(const Json& properties) {
  Json kept = Json::object();
  for (const auto& [name, value] : properties.items()) {
    if (!is_unset(value)) kept[name] = value;
  }
  return kept;
}

std::size_t count_characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

}  // namespace sim

#include <klaviyo/events/scratch.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <string>

#include "base/per_thread.hpp"

namespace klaviyo {

std::string_view profile_text(const Profile& profile, const postbox::Path& path,
                              std::size_t max_bytes, std::vector<postbox::Violation>& violations) {
  auto& text = postbox::per_thread<std::string, struct ProfileText>();
  text.clear();
  write_profile(profile, text);
  if (text.size() > max_bytes) {
    violations.push_back({place_of(path), "must have at most " + std::to_string(max_bytes) +
                                              " bytes as JSON (" +
                                              std::to_string(max_bytes / 1000) + " KB), found " +
                                              std::to_string(text.size())});
  }
  return text;
}

std::string_view profile_text(const Profile& customer,
                              std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  return profile_text(customer, root.child("customer"), kMaxProfileBytes, violations);
}

const FlatLists& flat_lists(const std::vector<OrderItem>& items) {
  auto& lists = postbox::per_thread<FlatLists, struct ItemLists>();
  lists.assign(items);
  return lists;
}

}  // namespace klaviyo

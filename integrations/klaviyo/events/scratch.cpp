#include <klaviyo/events/scratch.hpp>
#include <klaviyo/per_thread.hpp>
#include <string>

namespace klaviyo {

std::string_view profile_text(const Profile& customer,
                              std::vector<postbox::Violation>& violations) {
  auto& text = per_thread<std::string, struct ProfileText>();
  text.clear();
  write_profile(customer, text);
  if (text.size() > kMaxProfileBytes) {
    violations.push_back({"customer", "must have at most " + std::to_string(kMaxProfileBytes) +
                                          " bytes as JSON (95 KB), found " +
                                          std::to_string(text.size())});
  }
  return text;
}

const FlatLists& flat_lists(const std::vector<OrderItem>& items) {
  auto& lists = per_thread<FlatLists, struct ItemLists>();
  lists.assign(items);
  return lists;
}

}  // namespace klaviyo

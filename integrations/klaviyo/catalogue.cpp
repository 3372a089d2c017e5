#include <algorithm>
#include <iterator>
#include <klaviyo/catalogue.hpp>

// KLAVIYO_MODULES is CMake's list of the events' modules, as MODULE(cart) MODULE(purchase) …
namespace klaviyo {

#define MODULE(name) [[nodiscard]] std::vector<EventType> name##_event_types();
KLAVIYO_MODULES
#undef MODULE

std::string kind_of(std::string_view metric) {
  std::string kind(metric);
  std::ranges::transform(kind, kind.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return kind;
}

std::vector<EventType> every_event_type() {
  std::vector<EventType> all;
  const auto add = [&](std::vector<EventType> types) {
    std::move(types.begin(), types.end(), std::back_inserter(all));
  };
#define MODULE(name) add(name##_event_types());
  KLAVIYO_MODULES
#undef MODULE
  return all;
}

}  // namespace klaviyo

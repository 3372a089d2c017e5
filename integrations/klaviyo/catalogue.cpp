#include <algorithm>

#include <klaviyo/catalogue.hpp>

namespace klaviyo {

std::string log_name_of(std::string_view metric) {
  std::string log_name(metric);
  std::ranges::transform(log_name, log_name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return log_name;
}

}  // namespace klaviyo

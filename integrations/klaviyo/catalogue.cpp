#include <algorithm>

#include <klaviyo/catalogue.hpp>

namespace klaviyo {

std::string kind_of(std::string_view metric) {
  std::string kind(metric);
  std::ranges::transform(kind, kind.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return kind;
}

}  // namespace klaviyo

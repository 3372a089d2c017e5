#include "proxy_settings.hpp"

#include <array>
#include <cstdlib>
#include <initializer_list>

namespace postbox {
namespace {

std::string first_of(const Variables& variables, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = variables.find(name);
    if (found != variables.end() && !found->second.empty()) return found->second;
  }
  return {};
}

}  // namespace

ProxySettings proxies_from(const Variables& variables) {
  return ProxySettings{
      .for_https = first_of(variables, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}),
      .for_http = first_of(variables, {"http_proxy", "all_proxy", "ALL_PROXY"}),
      .bypass = first_of(variables, {"no_proxy", "NO_PROXY"}),
  };
}

ProxySettings proxies_from_environment() {
  constexpr std::array kNames{"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                              "ALL_PROXY",   "no_proxy",    "NO_PROXY"};
  Variables variables;
  for (const char* name : kNames) {
    if (const char* value = std::getenv(name)) variables.emplace(name, value);
  }
  return proxies_from(variables);
}

}  // namespace postbox

// ProxySettings is the proxy part of the environment, read once.
//
// Place:     curl_http_client() takes the snapshot; every transfer is told its proxy explicitly, so
//            that libcurl never calls getenv while the host may be calling setenv (pitfall P16).
// Threads:   a plain value. proxies_from_environment() reads the environment on its caller's
//            thread.
// Lifetime:  owns its strings. They may hold credentials: never log them.
// Failure:   none; a URL that cannot be used fails the transfers that need it.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace postbox {

struct ProxySettings {
  std::string for_https;  // empty: connect directly
  std::string for_http;   // empty: connect directly
  std::string bypass;     // hosts that are reached directly, separated by commas; "*" for all
};

using Variables = std::map<std::string, std::string, std::less<>>;

// Return the settings that `variables` ask for. Lower-case names win over upper-case ones, the
// scheme's own variable over all_proxy, and an empty value counts as absent. HTTP_PROXY is ignored:
// in a CGI process it holds the client's "Proxy:" header.
[[nodiscard]] ProxySettings proxies_from(const Variables& variables);

// Return the settings of this process.
[[nodiscard]] ProxySettings proxies_from_environment();

}  // namespace postbox

// CurlSetup sets libcurl's handle of a transfer: once what never changes, then each request.
//
// Place:     inside CurlHttpClient, between its start() and libcurl.
// Threads:   the one that drives the client.
// Lifetime:  a handle that it has set points into its options and into the Transfer.
// Failure:   an option that libcurl refuses is an Error with libcurl's reason; nothing throws.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <postbox/http_client.hpp>
#include <postbox/result.hpp>

#include "proxy_settings.hpp"
#include "transfer.hpp"

namespace postbox {

class CurlSetup {
 public:
  CurlSetup(HttpOptions options, ProxySettings proxies);
  CurlSetup(const CurlSetup&) = delete;
  CurlSetup& operator=(const CurlSetup&) = delete;

  // Set what all requests have in common.
  [[nodiscard]] Result<void> set_constants(Transfer& transfer) const noexcept;

  // A handle keeps its URL and headers (`CURLOPT_CURLU`) as long as requests have the same: libcurl
  // parsed the URL and put it together again for each, an eighth of the instructions of a request.
  //
  // Set what `request` has, which then belongs to the transfer.
  [[nodiscard]] Result<void> set_request(Transfer& transfer, HttpRequest request) const noexcept;

 private:
  [[nodiscard]] Result<void> set_timeout(Transfer& transfer,
                                         std::chrono::milliseconds timeout) const noexcept;
  [[nodiscard]] Result<void> set_target(Transfer& transfer) const;
  [[nodiscard]] CURLcode set_constant_options(Transfer& transfer) const noexcept;
  [[nodiscard]] CURLcode set_trust(Transfer& transfer) const noexcept;
  [[nodiscard]] long low_speed_seconds() const noexcept;

  // Constant after construction.
  const HttpOptions options_;
  const ProxySettings proxies_;
};

}  // namespace postbox

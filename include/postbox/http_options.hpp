// HttpOptions are what a host may set about the network.
//
// Place:     part of Config; curl_http_client() makes a client of them.
// Threads:   a plain value.
// Lifetime:  a plain value.
// Failure:   checked by Config::validate().
#pragma once

#include <chrono>
#include <string>

#include <postbox/bytes.hpp>
#include <postbox/version.hpp>

namespace postbox {

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds total_timeout{15'000};
  Bytes max_response = kibibytes(64);
  std::string user_agent = "postbox/" + std::string(kVersion);

  // A file of PEM certificates to trust in place of the system's, also for proxies over TLS.
  // POSTBOX_CA_FILE. Defaults to none: the system's.
  std::string ca_file{};

  // Offer HTTP/2 to servers over TLS: one connection for all transfers, where HTTP/1.1 has one for
  // each that is in flight. Defaults to false: with libcurl it costs more CPU (src/README.md).
  bool http2 = false;

  // True when the host calls curl_global_init itself, before curl_http_client(). Defaults to false:
  // Postbox initialises libcurl once, and never cleans it up, since others may use it (pitfall
  // P15).
  bool host_owns_curl = false;
};

}  // namespace postbox

#include <postbox/http_client.hpp>

namespace postbox {

std::string_view name_of(TransportFault fault) noexcept {
  switch (fault) {
    case TransportFault::kDns:
      return "DNS";
    case TransportFault::kConnect:
      return "connect";
    case TransportFault::kTls:
      return "TLS";
    case TransportFault::kTimeout:
      return "time-out";
    case TransportFault::kReset:
      return "connection reset";
    case TransportFault::kProtocol:
      return "not HTTP";
    case TransportFault::kOther:
      break;
  }
  return "network";
}

}  // namespace postbox

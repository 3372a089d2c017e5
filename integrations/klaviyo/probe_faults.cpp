#include <algorithm>
#include <array>
#include <klaviyo/probe_faults.hpp>
#include <klaviyo/reason.hpp>

namespace klaviyo {
namespace {

using postbox::HttpResponse;
using postbox::TransportFailure;
using postbox::TransportFault;
using Level = FindingLevel;

constexpr std::string_view kForeignAdvice =
    "look at the proxy, the filter or the captive portal between this machine and Klaviyo, and at "
    "KLAVIYO_API_URL; with curl -v the same address shows who answers";

}  // namespace

std::string advice_on(TransportFault fault) {
  switch (fault) {
    case TransportFault::kDns:
      return "check the host in KLAVIYO_API_URL and this machine's resolver: getent hosts "
             "a.klaviyo.com";
    case TransportFault::kConnect:
      return "let this machine reach the host and port of KLAVIYO_API_URL: firewall, security "
             "group, proxy (https_proxy)";
    case TransportFault::kTls:
      return "where a company's proxy looks into TLS, set POSTBOX_CA_FILE to its certificate; else "
             "install ca-certificates and check this machine's clock";
    case TransportFault::kTimeout:
      return "look for a firewall that drops packets, or a proxy that is needed (https_proxy)";
    case TransportFault::kProtocol:
      return "no web server answers at the port of KLAVIYO_API_URL, or a proxy wants another "
             "scheme";
    default:
      return "try again; if it stays, look at the proxy or the firewall in between";
  }
}

Finding no_answer(const TransportFailure& failure) {
  return {Level::kProblem, kNetworkTopic, "Klaviyo is not reached: " + describe(failure),
          advice_on(failure.fault)};
}

std::string status_of(const HttpResponse& response) {
  return "HTTP " + std::to_string(response.status);
}

bool is_success(const HttpResponse& response) {
  return response.status >= 200 && response.status < 300;
}

bool is_foreign(const HttpResponse& response) {
  constexpr std::array kOwn = {400, 401, 403, 404, 409, 410, 413, 415, 422, 429};
  if (is_edge_page(response)) return true;
  if (is_success(response) || response.status >= 500) return false;
  if (std::ranges::find(kOwn, response.status) == kOwn.end()) return true;
  return !response.body.empty() && !is_api_error(response);
}

Finding foreign(const HttpResponse& response) {
  const std::string status = status_of(response);
  if (response.status == 407) {
    return {Level::kProblem, kNetworkTopic, "A proxy wants a name and a password (" + status + ")",
            "put them into the proxy's address: https_proxy=http://NAME:PASSWORD@HOST:PORT"};
  }
  if (response.status >= 300 && response.status < 400) {
    return {Level::kProblem, kNetworkTopic,
            "The address leads on to another one (" + status +
                "), which is not followed, since the key would go there",
            "set KLAVIYO_API_URL to https://a.klaviyo.com, or unset it"};
  }
  if (!find_header(response, "cf-mitigated").empty()) {
    return {Level::kProblem, kNetworkTopic,
            "Cloudflare, in front of Klaviyo, challenges this machine (" + status + ")",
            "send from another address, or ask Klaviyo's support to let this one in"};
  }
  const std::string what = is_edge_page(response) ? "A web page" : "Something else";
  return {Level::kProblem, kNetworkTopic,
          what + " answers instead of Klaviyo's API (" + status + ")", std::string(kForeignAdvice)};
}

}  // namespace klaviyo

// probe() asks Klaviyo what a key may do, without leaving anything behind there.
//
// Place:     beside the delivery of events: for `postbox doctor`, and for a shop's own check before
//            it opens. Each endpoint is asked by a request that it must refuse for its body, an
//            empty object: 403 says that a scope is missing, 400 that it is there. That Klaviyo
//            looks at the scopes before the body is observed and not documented: the other way
//            round a missing scope would pass for one that is there.
// Threads:   probe() waits for the answers on the caller's thread; the others are pure functions.
// Lifetime:  plain values.
// Failure:   none: what goes wrong is a finding. No finding holds the key.
#pragma once

#include <chrono>
#include <klaviyo/config.hpp>
#include <klaviyo/finding.hpp>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/http_client.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace klaviyo {

// The account that a key belongs to. Texts are Klaviyo's own and may hold anything.
struct ProbedAccount {
  std::string id;  // also its public key
  std::string name;
  std::string currency;  // ISO 4217
  bool is_test = false;
  std::string time_zone{};  // of its own reports: "Europe/Berlin"
};

struct ProbeReport {
  std::vector<Finding> findings;
  std::optional<ProbedAccount> account;  // needs the scope accounts:read
};

// Ask with the key, address and revision of `config`, in ten requests; its flags say which
// scopes are needed. Returns when all are answered or have timed out.
[[nodiscard]] ProbeReport probe(const Config& config, postbox::HttpClient& http,
                                const postbox::Clock& clock);

// The parts of probe(): from an answer to a finding.

using ProbeAnswer = std::variant<postbox::HttpResponse, postbox::TransportFailure>;

// The request for the account, GET /api/accounts, which tells whether the API is reached, and
// whether the key is one.
[[nodiscard]] postbox::HttpRequest account_request(const Config& config);

// Returns why nothing else need be asked, or nothing when the API knows the key.
[[nodiscard]] std::optional<Finding> connection_fault(const ProbeAnswer& answer);

// Nothing when the key may not read it, and when the answer is of another form.
[[nodiscard]] std::optional<ProbedAccount> account_of(const postbox::HttpResponse& response);

// Compares this machine's clock, `now`, with the answer's Date: a minute apart is a warning, the
// five minutes beyond which Stripe's signatures are refused a problem.
[[nodiscard]] std::optional<Finding> clock_finding(const postbox::HttpResponse& response,
                                                   postbox::WallTime now);

// A revision is stable for a year, deprecated for another one, and then retired
// (developers.klaviyo.com, API versioning and deprecation policy).
[[nodiscard]] Finding revision_finding(std::string_view revision, std::chrono::sys_days today);

struct ScopeQuestion {
  std::string_view scopes;    // "events:write"
  std::string_view what_for;  // "send events"
  FindingLevel if_missing = FindingLevel::kNote;
  postbox::HttpRequest request{};
};

[[nodiscard]] std::vector<ScopeQuestion> scope_questions(const Config& config);
[[nodiscard]] Finding scope_finding(const ScopeQuestion& question, const ProbeAnswer& answer);

}  // namespace klaviyo

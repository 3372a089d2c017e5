#include <algorithm>
#include <charconv>
#include <iterator>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/probe.hpp>
#include <klaviyo/probe_faults.hpp>
#include <klaviyo/reason.hpp>
#include <klaviyo/request.hpp>
#include <klaviyo/retry_after.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace klaviyo {
namespace {

using Json = nlohmann::json;
using postbox::HttpResponse;
using postbox::TransportFailure;
using postbox::TransportFault;
using Level = FindingLevel;

constexpr std::string_view kDeletionPath = "/api/data-privacy-deletion-jobs";

constexpr std::string_view kKey = "key";
constexpr std::string_view kScope = "scope";
constexpr std::string_view kClock = "clock";
constexpr std::string_view kRevision = "revision";

constexpr std::string_view kNewKey =
    "copy the private key again from Klaviyo, Settings > API keys > Private API keys, and set "
    "KLAVIYO_API_KEY";
constexpr std::string_view kUseDefaults =
    "unset KLAVIYO_REVISION and KLAVIYO_API_URL, whose defaults are good";

std::vector<std::string> headers_of(const Config& config) {
  return {"Authorization: Klaviyo-API-Key " + config.api_key, "revision: " + config.revision,
          "Content-Type: application/vnd.api+json", "Accept: application/vnd.api+json"};
}

postbox::HttpRequest get(const Config& config, std::string_view target) {
  return {.url = config.api_url + std::string(target),
          .headers = headers_of(config),
          .body = {},
          .method = postbox::HttpMethod::kGet};
}

// The API cannot record what an empty object says.
postbox::HttpRequest post_nothing(const Config& config, std::string_view path) {
  return {.url = config.api_url + std::string(path), .headers = headers_of(config), .body = "{}"};
}

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  if (value == nullptr || !value->is_string()) return {};
  constexpr std::size_t kLongest = 200;
  return value->get_ref<const std::string&>().substr(0, kLongest);
}

bool has_data(const HttpResponse& response) {
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const Json* data = member(body, "data");
  return data != nullptr && data->is_array();
}

std::string date_text(std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  std::string text = std::to_string(static_cast<int>(date.year()));
  for (const unsigned part :
       {static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())}) {
    text += (part < 10 ? "-0" : "-") + std::to_string(part);
  }
  return text;
}

// Nothing for what a Config would not take.
std::optional<std::chrono::year_month_day> date_of(std::string_view revision) {
  constexpr std::size_t kShape = std::string_view("2026-10-15").size();
  if (revision.size() < kShape) return std::nullopt;
  const auto number = [revision](std::size_t from, std::size_t size) {
    int value = 0;
    std::from_chars(revision.data() + from, revision.data() + from + size, value);
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  return date.ok() ? std::optional(date) : std::nullopt;
}

std::string in_minutes(std::chrono::seconds time) {
  const auto minutes = std::chrono::round<std::chrono::minutes>(time).count();
  return std::to_string(minutes) + (minutes == 1 ? " minute" : " minutes");
}

// Returns an answer for each request, in their order.
std::vector<ProbeAnswer> ask(std::vector<postbox::HttpRequest> requests,
                             postbox::HttpClient& http) {
  std::vector<ProbeAnswer> answers(requests.size(), TransportFailure{});
  std::map<postbox::TransferId, std::size_t> open;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto started = http.start(std::move(requests[i]));
    if (started) {
      open.emplace(*started, i);
    } else {
      answers[i] = TransportFailure{TransportFault::kOther, started.error().message};
    }
  }
  while (!open.empty()) {
    for (postbox::HttpCompletion& done : http.poll(std::chrono::seconds(1))) {
      const auto place = open.find(done.id);
      if (place == open.end()) continue;
      answers[place->second] = std::move(done.outcome);
      open.erase(place);
    }
  }
  return answers;
}

Finding account_finding(const std::optional<ProbedAccount>& account, const HttpResponse& response) {
  if (account) {
    return {Level::kOk, kKey,
            "The key belongs to the account " + account->name + " (" + account->id +
                "), currency " + account->currency + ", " +
                (account->is_test ? "a test account" : "a live account")};
  }
  if (response.status == 403) {
    return {Level::kNote, kScope,
            "The key is good; which account it belongs to is not known, since it lacks the scope "
            "accounts:read",
            "compare it with the list of keys in the account, or add the scope for this check"};
  }
  return {Level::kNote, kKey,
          "Which account the key belongs to is not known now (" + status_of(response) + ")",
          "try again in a minute"};
}

// The finding of an answer that is about the request: 400 for its body says that the key may.
Finding by_status(const ScopeQuestion& question, const HttpResponse& response) {
  const std::string scopes(question.scopes);
  const std::string what(question.what_for);
  switch (response.status) {
    case 403:
      return {question.if_missing, kScope, "The key may not " + what + ": it lacks " + scopes,
              "make a private key with " + scopes +
                  " (Settings > API keys) and set KLAVIYO_API_KEY; a key's scopes cannot be "
                  "changed"};
    case 401:
      return {Level::kProblem, kKey, "Klaviyo does not know the key for this: " + what,
              std::string(kNewKey)};
    case 404:
    case 410:
      return {question.if_missing, kRevision,
              "There is nothing at Klaviyo by which to " + what + " (" + status_of(response) + ")",
              std::string(kUseDefaults)};
    default:
      return {Level::kOk, kScope, "The key may " + what + " (" + scopes + ")"};
  }
}

bool is_denied(const ProbeAnswer& answer) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  return response != nullptr && response->status == 403 && !is_foreign(*response);
}

void add_scopes(const Config& config, postbox::HttpClient& http, std::vector<Finding>& findings) {
  const std::vector<ScopeQuestion> questions = scope_questions(config);
  std::vector<postbox::HttpRequest> requests;
  std::ranges::transform(questions, std::back_inserter(requests), &ScopeQuestion::request);
  const std::vector<ProbeAnswer> answers = ask(std::move(requests), http);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    // One scope that is missing is one finding.
    const bool is_said = i > 0 && questions[i].scopes == questions[i - 1].scopes &&
                         is_denied(answers[i]) && is_denied(answers[i - 1]);
    if (!is_said) findings.push_back(scope_finding(questions[i], answers[i]));
  }
}

}  // namespace

postbox::HttpRequest account_request(const Config& config) { return get(config, "/api/accounts"); }

std::optional<Finding> connection_fault(const ProbeAnswer& answer) {
  if (const auto* failure = std::get_if<TransportFailure>(&answer)) return no_answer(*failure);
  const auto& response = std::get<HttpResponse>(answer);
  if (is_foreign(response) || (is_success(response) && !has_data(response))) {
    return foreign(response);
  }
  const Refusal refusal = is_success(response) ? Refusal{} : read_refusal(response);
  const int status = response.status;
  if (status == 401 || (status == 400 && refusal.blames_key)) {
    return Finding{Level::kProblem, kKey, "Klaviyo does not know the key: " + refusal.reason,
                   std::string(kNewKey) + "; a key that was deleted there stays unknown"};
  }
  if (status == 400 || status == 404 || status == 410) {
    return Finding{Level::kProblem, kRevision,
                   "Klaviyo refuses the address or the revision: " + refusal.reason,
                   std::string(kUseDefaults)};
  }
  if (status >= 500) {
    return Finding{Level::kWarning, kNetworkTopic, "Klaviyo is in trouble: " + refusal.reason,
                   "look at https://status.klaviyo.com and try again; events wait meanwhile"};
  }
  return std::nullopt;
}

std::optional<ProbedAccount> account_of(const HttpResponse& response) {
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const Json* data = is_success(response) ? member(body, "data") : nullptr;
  if (data == nullptr || !data->is_array() || data->empty()) return std::nullopt;
  const Json& resource = data->front();
  const Json* attributes = member(resource, "attributes");
  if (attributes == nullptr) return std::nullopt;
  const Json* contact = member(*attributes, "contact_information");
  const Json* is_test = member(*attributes, "test_account");
  return ProbedAccount{
      .id = text_of(resource, "id"),
      .name = contact == nullptr ? std::string() : text_of(*contact, "organization_name"),
      .currency = text_of(*attributes, "preferred_currency"),
      .is_test = is_test != nullptr && is_test->is_boolean() && is_test->get<bool>(),
      .time_zone = text_of(*attributes, "timezone")};
}

std::optional<Finding> clock_finding(const HttpResponse& response, postbox::WallTime now) {
  const auto date = parse_http_date(find_header(response, "date"));
  if (!date) return std::nullopt;
  const auto ahead = std::chrono::floor<std::chrono::seconds>(now) - *date;
  const auto apart = ahead < std::chrono::seconds(0) ? -ahead : ahead;
  if (apart < std::chrono::minutes(1)) {
    return Finding{Level::kOk, kClock, "This machine's clock agrees with Klaviyo's"};
  }
  const bool is_problem = apart >= std::chrono::minutes(5);
  return Finding{is_problem ? Level::kProblem : Level::kWarning, kClock,
                 "This machine's clock is " + in_minutes(apart) +
                     (ahead < std::chrono::seconds(0) ? " behind" : " ahead of") + " Klaviyo's",
                 "switch on time synchronisation (timedatectl set-ntp true): events get wrong "
                 "times, carts are abandoned at the wrong one, and beyond 5 minutes webhooks of "
                 "Stripe are refused"};
}

Finding revision_finding(std::string_view revision, std::chrono::sys_days today) {
  using std::chrono::months;
  using std::chrono::sys_days;
  const std::string name(revision);
  const auto date = date_of(revision);
  const std::string advice =
      "unset KLAVIYO_REVISION: this Postbox was made for " + Config().revision;
  if (!date) return {Level::kProblem, kRevision, "The revision " + name + " is no date", advice};
  // The 29th of February has no anniversary; Klaviyo's revisions are of the 15th.
  const sys_days end(*date + std::chrono::years(2));
  if (today >= end) {
    return {Level::kProblem, kRevision,
            "The revision " + name + " was retired on " + date_text(end) +
                ": Klaviyo answers as the oldest that lives, or with 410",
            advice};
  }
  if (sys_days(*date) > today) {
    return {Level::kWarning, kRevision, "The revision " + name + " is in the future", advice};
  }
  if (revision.ends_with(".pre")) {
    return {Level::kWarning, kRevision, "The revision " + name + " is a beta, not for production",
            advice};
  }
  const std::string until = "The revision " + name + " lives until " + date_text(end);
  if (today >= sys_days(*date + months(18))) return {Level::kWarning, kRevision, until, advice};
  if (today >= sys_days(*date + months(12))) {
    return {Level::kNote, kRevision, until + "; it is deprecated", advice};
  }
  return {Level::kOk, kRevision, until};
}

std::vector<ScopeQuestion> scope_questions(const Config& config) {
  constexpr std::string_view kConsentScopes = "lists:write, profiles:write, subscriptions:write";
  const auto needed_by = [&config](const postbox::Family& family) {
    return config.flag(family).is_off() ? Level::kNote : Level::kProblem;
  };
  return {
      {"events:write", "send events", Level::kProblem, post_nothing(config, kSinglePath)},
      {"events:write", "send many events at once", Level::kWarning,
       post_nothing(config, kBulkPath)},
      {"profiles:write", "set profiles (KLAVIYO_PROFILE_EVENTS_ENABLED)",
       needed_by(klaviyo::kProfile), post_nothing(config, kProfilePath)},
      {kConsentScopes, "subscribe (KLAVIYO_CONSENT_EVENTS_ENABLED)", needed_by(kConsent),
       post_nothing(config, kSubscribePath)},
      {kConsentScopes, "unsubscribe (KLAVIYO_CONSENT_EVENTS_ENABLED)", needed_by(kConsent),
       post_nothing(config, kUnsubscribePath)},
      {"events:read", "look events up, as postbox send-test does", Level::kNote,
       get(config, "/api/events?fields%5Bevent%5D=datetime&page%5Bsize%5D=1")},
      {"metrics:read", "name the metrics of what was recorded, as postbox report does",
       Level::kNote, get(config, "/api/metrics?fields%5Bmetric%5D=name")},
      {"profiles:read", "look a profile up, as postbox forget --at-klaviyo does", Level::kNote,
       get(config, "/api/profiles?fields%5Bprofile%5D=created&page%5Bsize%5D=1")},
      // It names nobody whose profile could be deleted.
      {"data-privacy:write", "have a profile deleted, as postbox forget --at-klaviyo does",
       Level::kNote, post_nothing(config, kDeletionPath)},
  };
}

Finding scope_finding(const ScopeQuestion& question, const ProbeAnswer& answer) {
  const std::string what(question.what_for);
  const std::string unknown = "Whether the key may " + what + " is not known: ";
  if (const auto* failure = std::get_if<TransportFailure>(&answer)) {
    return {Level::kWarning, kNetworkTopic, unknown + describe(*failure),
            advice_on(failure->fault)};
  }
  const auto& response = std::get<HttpResponse>(answer);
  if (is_foreign(response)) {
    const Finding page = foreign(response);
    return {std::max(Level::kWarning, question.if_missing), kNetworkTopic, unknown + page.what,
            page.advice};
  }
  if (response.status == 429) {
    return {Level::kNote, kScope, unknown + "the account's rate limit is used up",
            "try again in a minute"};
  }
  if (response.status >= 500) {
    return {Level::kWarning, kNetworkTopic, unknown + read_refusal(response).reason,
            "look at https://status.klaviyo.com and try again"};
  }
  return by_status(question, response);
}

ProbeReport probe(const Config& config, postbox::HttpClient& http, const postbox::Clock& clock) {
  ProbeReport report;
  const auto today = std::chrono::floor<std::chrono::days>(clock.wall_now());
  report.findings.push_back(revision_finding(config.revision, today));
  const auto begin = clock.now();
  const std::vector<ProbeAnswer> first = ask({account_request(config)}, http);
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(clock.now() - begin);
  const auto* response = std::get_if<HttpResponse>(&first.front());
  if (response != nullptr) {
    if (auto skew = clock_finding(*response, clock.wall_now())) {
      report.findings.push_back(*std::move(skew));
    }
  }
  if (auto fault = connection_fault(first.front())) {
    report.findings.push_back(*std::move(fault));
    return report;
  }
  report.findings.push_back(
      {Level::kOk, kNetworkTopic,
       config.api_url + " answers within " + std::to_string(took.count()) + "ms"});
  report.account = account_of(*response);
  report.findings.push_back(account_finding(report.account, *response));
  add_scopes(config, http, report.findings);
  return report;
}

}  // namespace klaviyo

#include <array>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/destination.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/families.hpp>
#include <klaviyo/reason.hpp>
#include <klaviyo/request.hpp>
#include <klaviyo/retry_after.hpp>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace klaviyo {

using postbox::LogLevel;
using postbox::LogLine;
using postbox::Verdict;
using postbox::VerdictKind;

// The connection as requests need it. Constant: apply() replaces the whole.
struct Destination::Prepared {
  explicit Prepared(const Connection& connection)
      : has_key(!connection.api_key.empty()),
        quota_per_mille(connection.quota_per_mille),
        url(connection.api_url),
        single_url(connection.api_url + std::string(kSinglePath)),
        bulk_url(connection.api_url + std::string(kBulkPath)),
        profile_url(connection.api_url + std::string(kProfilePath)),
        subscribe_url(connection.api_url + std::string(kSubscribePath)),
        unsubscribe_url(connection.api_url + std::string(kUnsubscribePath)),
        headers{"Authorization: Klaviyo-API-Key " + connection.api_key,
                "revision: " + connection.revision, "Content-Type: application/vnd.api+json",
                "Accept: application/vnd.api+json"} {}

  bool has_key;
  std::uint32_t quota_per_mille;
  std::string url;
  std::string single_url;
  std::string bulk_url;
  std::string profile_url;
  std::string subscribe_url;
  std::string unsubscribe_url;
  std::vector<std::string> headers;
};

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Klaviyo's limits: 1,000 events and 5 MB in a bulk request, of which each event may need some 300
// bytes around its payload; 350 requests in a second and 3,500 in a minute, 10 and 150 in bulk,
// 75 and 750 for profiles, and for each of the jobs of consent, which share a lane: so much is
// seldom said (OpenAPI 2026-07-15, x-klaviyo-ratelimit). A bulk body can take a megabyte, twice:
// few at once.
constexpr std::array kLanes{
    postbox::Lane{.name = "events", .burst = {350, seconds(1)}, .steady = {3'500, minutes(1)}},
    postbox::Lane{.name = "bulk",
                  .max_events = 1'000,
                  .max_bytes = postbox::Bytes{4'700'000},
                  .burst = {10, seconds(1)},
                  .steady = {150, minutes(1)},
                  .max_in_flight = 4},
    postbox::Lane{.name = "profiles", .burst = {75, seconds(1)}, .steady = {750, minutes(1)}},
    postbox::Lane{.name = "consent",
                  .max_events = kMaxSubscribed,
                  .burst = {75, seconds(1)},
                  .steady = {750, minutes(1)}},
};
constexpr std::size_t kSingleLane = 0;
constexpr std::size_t kBulkLane = 1;
constexpr std::size_t kProfileLane = 2;
constexpr std::size_t kConsentLane = 3;

bool is_profile(postbox::QueueId queue) { return flag_index(queue) == flag_index(kProfile.queue); }

bool is_consent(postbox::QueueId queue) { return flag_index(queue) == flag_index(kConsent.queue); }

VerdictKind refused(std::size_t events) {
  return events > 1 ? VerdictKind::kSplit : VerdictKind::kDead;
}

// True for an answer of something between here and Klaviyo, or of another server because the URL is
// wrong: a page, or a status that the API does not have. (403 and 408 with a page have a rule of
// their own: Cloudflare's challenge is about the request.)
bool is_foreign(const postbox::HttpResponse& response) {
  const int status = response.status;
  if (status >= 200 && status < 300) return is_edge_page(response);
  switch (status) {
    case 400:
    case 409:
    case 413:
    case 415:
    case 422:
      return !response.body.empty() && !is_api_error(response);
    case 401:
    case 403:
    case 404:
    case 408:
    case 410:
    case 429:
      return false;
    default:
      return status >= 400 && status < 500;
  }
}

VerdictKind judge(const postbox::HttpResponse& response, std::size_t events, bool blames_key) {
  const int status = response.status;
  if (status >= 200 && status < 300) return VerdictKind::kDelivered;
  if (status >= 300 && status < 400) return VerdictKind::kPark;
  switch (status) {
    case 429:
      return VerdictKind::kPause;
    case 408:
      return VerdictKind::kRetry;
    case 403:
      return is_edge_page(response) ? VerdictKind::kRetry : VerdictKind::kPark;
    case 401:
    case 404:  // also seen during an outage: events must survive it
    case 410:
      return VerdictKind::kPark;
    case 400:
      return blames_key ? VerdictKind::kPark : refused(events);
    default:
      // 5xx; what is no final answer or no status at all is as good as no answer.
      return status >= 400 && status < 500 ? refused(events) : VerdictKind::kRetry;
  }
}

// A page on a batch that is too large for a proxy: a smaller one may pass.
bool is_too_large(const postbox::HttpResponse& response, std::size_t events) {
  return response.status == 413 && events > 1;
}

// An answer of Klaviyo's own that the list of these consents does not exist: all of a job name one.
// Without this, one wrong id would stop the consent of everybody.
bool lacks_list(const postbox::HttpResponse& response, const Refusal& refusal,
                std::span<const postbox::EventRecord* const> events) {
  if (response.status != 404 || events.empty() || !is_consent(events.front()->queue)) return false;
  const auto payload = decode(events.front()->payload);
  return payload && has_list(payload->members) && is_api_error(response) && refusal.blames_list;
}

// The key concerns every endpoint; an address or a scope that is missing may concern one. A 403 for
// events says that the scope is missing for them, and the other endpoint is asked, too.
bool concerns_one_lane(const Verdict& verdict) {
  return verdict.kind == VerdictKind::kPark && verdict.http_status != 401 &&
         verdict.http_status != 400;
}

// The log lines' name for an event whose payload cannot be read.
constexpr std::string_view kUnknownLogName = "unreadable";

std::optional<postbox::RateHint> parse_rate(const postbox::HttpResponse& response) {
  const auto limit = parse_count(find_header(response, "ratelimit-limit"));
  const auto remaining = parse_count(find_header(response, "ratelimit-remaining"));
  const auto reset = parse_count(find_header(response, "ratelimit-reset"));
  constexpr std::uint32_t kLongestWindow = 60;  // anything else is not the steady window
  if (!limit || !remaining || !reset || *limit == 0 || *reset > kLongestWindow) return std::nullopt;
  return postbox::RateHint{*limit, *remaining, seconds(*reset)};
}

std::string delivered_text(const std::string& what, std::string_view subject) {
  std::string text;
  text.reserve(40 + what.size() + subject.size());
  text.append("Klaviyo ").append(what).append(" sent ");
  if (subject.empty()) return text.append("successfully");
  return text.append("for user: ").append(subject);
}

// "purchase event", "profile", "consent".
std::string in_log(std::string_view log_name) {
  std::string text(log_name);
  return log_name == kProfileLogName || log_name == kConsentLogName ? text : text + " event";
}

std::string failed_text(const std::string& what) { return "Failed to send Klaviyo " + what + ": "; }

// True for the profile of an event that names a phone number and no other identifier.
bool has_phone_alone(std::string_view profile) {
  const auto names = [profile](std::string_view member) {
    return profile.find(member) != std::string_view::npos;
  };
  return profile.starts_with(R"({"type":"profile","attributes":{"phone_number":)") &&
         !names(R"("external_id":)") && !names(R"("anonymous_id":)") && !names(R"("_kx":)");
}

constexpr std::string_view kPhoneAlone =
    ". Its customer is known by a phone number alone: an account without SMS accepts such an event "
    "and drops it. Give an e-mail address, too, or switch SMS on; this is said once";

std::string pause_text(const Verdict& verdict) {
  const auto wait = verdict.retry_after.value_or(std::chrono::milliseconds(0));
  const auto whole = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return "Rate limit exceeded, retrying in " + std::to_string(whole) + " seconds (HTTP 429)";
}

std::string scope_text(const Verdict& verdict) {
  return "Klaviyo refuses every profile: " + verdict.reason +
         ". They are kept; check that KLAVIYO_API_KEY has the scope profiles:write, then reload";
}

std::string consent_scope_text(const Verdict& verdict) {
  return "Klaviyo refuses every consent: " + verdict.reason +
         ". It is kept; check that KLAVIYO_API_KEY has the scopes lists:write, profiles:write and "
         "subscriptions:write, then reload";
}

std::string foreign_text(const Verdict& verdict) {
  return "Something else than Klaviyo answers: " + verdict.reason +
         ". Events are kept; check the proxy, the filter and KLAVIYO_API_URL";
}

std::string park_text(const Verdict& verdict) {
  const bool key =
      verdict.http_status == 400 || verdict.http_status == 401 || verdict.http_status == 403;
  if (!key) {
    return "An endpoint of Klaviyo refuses every request: " + verdict.reason +
           ". Events are kept, and take the other endpoint where there is one; check "
           "KLAVIYO_API_URL and KLAVIYO_REVISION, then reload";
  }
  return "Klaviyo refuses every event: " + verdict.reason +
         ". Events are kept; check KLAVIYO_API_KEY and that it has the scope events:write, then "
         "reload";
}

}  // namespace

Destination::Destination(const Connection& connection,
                         std::span<const postbox::Family> own_families)
    : queues_(every_queue({own_families.begin(), own_families.end()})) {
  apply(connection);
}
Destination::~Destination() = default;

void Destination::apply(const Connection& connection) {
  auto next = std::make_unique<const Prepared>(connection);
  const std::lock_guard lock(applying_);
  const auto& kept = all_.emplace_back(std::move(next));
  prepared_.store(kept.get(), std::memory_order_release);
}

std::span<const postbox::Family> Destination::families() const noexcept { return queues_; }

bool Destination::ready() const noexcept { return prepared().has_key; }

const Destination::Prepared& Destination::prepared() const noexcept {
  return *prepared_.load(std::memory_order_acquire);
}

std::span<const postbox::Lane> Destination::lanes() const noexcept { return kLanes; }

// A queue has a route: the lane for single requests and the one for many. Profiles have an endpoint
// of their own, whose pauses concern nobody else: a 403 there parks it alone until settings change,
// because a key may well have the scope for events only.
postbox::Route Destination::route(postbox::QueueId queue) const noexcept {
  if (is_profile(queue)) return {.single = kProfileLane, .bulk = kProfileLane};
  if (is_consent(queue)) return {.single = kConsentLane, .bulk = kConsentLane};
  return {.single = kSingleLane, .bulk = kBulkLane};
}

postbox::Sharing Destination::sharing(const postbox::EventRecord& event) const noexcept {
  return is_consent(event.queue) ? sharing_of(event) : postbox::Sharing{};
}

std::uint32_t Destination::quota_per_mille() const noexcept { return prepared().quota_per_mille; }

postbox::HttpRequest Destination::request(
    std::size_t lane, std::span<const postbox::EventRecord* const> events) const {
  const Prepared& settings = prepared();
  if (lane == kConsentLane) {
    const auto payload = decode(events.front()->payload);
    const bool ends = payload && payload->is_unsubscribe();
    return {ends ? settings.unsubscribe_url : settings.subscribe_url, settings.headers,
            job_body(events)};
  }
  if (lane == kProfileLane) {
    return {settings.profile_url, settings.headers, profile_body(*events.front())};
  }
  if (lane == kSingleLane) {
    return {settings.single_url, settings.headers, single_body(*events.front())};
  }
  return {settings.bulk_url, settings.headers, bulk_body(events)};
}

Verdict Destination::verdict(
    const std::variant<postbox::HttpResponse, postbox::TransportFailure>& outcome,
    std::span<const postbox::EventRecord* const> events, postbox::WallTime now) const {
  if (const auto* failure = std::get_if<postbox::TransportFailure>(&outcome)) {
    return {.kind = VerdictKind::kRetry, .reason = describe(*failure)};
  }
  const auto* response = std::get_if<postbox::HttpResponse>(&outcome);
  if (response == nullptr) return {};  // a variant without a value: nothing is known
  Verdict verdict;
  verdict.http_status = response->status;
  verdict.rate = parse_rate(*response);
  verdict.foreign = is_foreign(*response) && !is_too_large(*response, events.size());
  if (!verdict.foreign && response->status >= 200 && response->status < 300) {
    verdict.kind = VerdictKind::kDelivered;
    return verdict;
  }
  Refusal refusal = read_refusal(*response, events);
  verdict.kind =
      verdict.foreign ? VerdictKind::kRetry : judge(*response, events.size(), refusal.blames_key);
  if (lacks_list(*response, refusal, events)) verdict.kind = VerdictKind::kDead;
  verdict.reason = std::move(refusal.reason);
  if (verdict.kind == VerdictKind::kDead) verdict.reason += refusal.detail;
  if (verdict.kind == VerdictKind::kSplit) {
    verdict.culprits = is_consent(events.front()->queue)
                           ? find_job_culprits(events, refusal.pointers)
                           : find_culprits(events, refusal.pointers);
    POSTBOX_ASSERT(verdict.culprits.size() <= events.size());
  }
  verdict.pointer = std::move(refusal.pointer);
  if (verdict.kind == VerdictKind::kPause || verdict.kind == VerdictKind::kRetry) {
    verdict.retry_after = parse_retry_after(find_header(*response, "retry-after"), now);
  }
  verdict.lane_only = concerns_one_lane(verdict);
  return verdict;
}

std::string Destination::type_of(const postbox::EventRecord& event) const {
  return std::string(metric_of(event.payload));
}

std::string Destination::key_of(const postbox::EventRecord& event) const {
  return unique_id_of(event.payload);
}

void Destination::mark_backfill(postbox::EventRecord& event) const {
  klaviyo::mark_backfill(event);
}

LogLine Destination::log_line(const postbox::EventRecord& event, const Verdict& verdict) const {
  const auto payload = decode(event.payload);
  const std::string what = in_log(payload ? payload->log_name : kUnknownLogName);
  switch (verdict.kind) {
    case VerdictKind::kDelivered: {
      LogLine line{LogLevel::kInfo, delivered_text(what, payload ? payload->subject : "")};
      if (payload && payload->is_event() && has_phone_alone(payload->profile) &&
          !said_phone_alone_.exchange(true)) {
        line.level = LogLevel::kWarn;
        line.text += kPhoneAlone;
      }
      return line;
    }
    case VerdictKind::kPause:
      return {LogLevel::kWarn, pause_text(verdict)};
    case VerdictKind::kPark: {
      const bool scope = verdict.http_status == 403;
      return {LogLevel::kError, scope && is_profile(event.queue)   ? scope_text(verdict)
                                : scope && is_consent(event.queue) ? consent_scope_text(verdict)
                                                                   : park_text(verdict)};
    }
    case VerdictKind::kRetry:
      if (verdict.foreign) return {LogLevel::kError, foreign_text(verdict)};
      return {LogLevel::kDebug, "Klaviyo " + what + " will be retried: " + verdict.reason};
    case VerdictKind::kDead: {
      const std::string damage = payload ? "" : payload.error().message + "; ";
      return {LogLevel::kError,
              failed_text(what) + damage + std::string(without_detail(verdict.reason))};
    }
    case VerdictKind::kSplit:
      break;
  }
  return {};
}

LogLine Destination::outage_line(const postbox::EventRecord& event, const Verdict& verdict) const {
  if (verdict.kind != VerdictKind::kRetry || verdict.foreign) return log_line(event, verdict);
  const auto payload = decode(event.payload);
  return {LogLevel::kError, failed_text(in_log(payload ? payload->log_name : kUnknownLogName)) +
                                verdict.reason + ", " + prepared().url +
                                "; it is kept and tried again"};
}

LogLine Destination::rejection_line(const postbox::EventName& event, std::string_view rules) const {
  return {LogLevel::kError,
          failed_text(in_log(event.log_name)) + "rejected: " + std::string(rules)};
}

std::string Destination::recovery_text() const { return "Klaviyo events get through again"; }

}  // namespace klaviyo

#include "simulator.hpp"

#include <algorithm>
#include <thread>

#include "account_reads.hpp"
#include "event_rules.hpp"
#include "request_checks.hpp"
#include "rfc3339.hpp"

namespace sim {
namespace {

SimulatorOptions with_defaults(SimulatorOptions options) {
  if (!options.now) options.now = std::chrono::system_clock::now;
  if (!options.wait) {
    options.wait = [](std::chrono::milliseconds delay) { std::this_thread::sleep_for(delay); };
  }
  return options;
}

// Klaviyo answers with and without the slash at the end.
Request without_last_slash(Request request) {
  if (request.path.size() > 1 && request.path.back() == '/') request.path.pop_back();
  return request;
}

std::string base_of(const Request& request) {
  const std::string host = request.header("host");
  return "http://" + (host.empty() ? std::string("127.0.0.1") : host);
}

Problem wrong_target(int status, const Request& request) {
  Problem problem = invalid("/data", "");
  problem.status = status;
  problem.code = status == 404 ? "not_found" : "method_not_allowed";
  problem.title = status == 404 ? "Not found." : "Method not allowed.";
  problem.detail = status == 404 ? "The path '" + request.path + "' does not exist."
                                 : "Method '" + request.method + "' is not allowed here.";
  return problem;
}

Response throttled(std::chrono::seconds retry_after) {
  const std::string count = std::to_string(retry_after.count());
  Problem problem;
  problem.status = 429;
  problem.code = "throttled";
  problem.title = "Request was throttled.";
  problem.detail = "Request was throttled. Expected available in " + count +
                   (count == "1" ? " second." : " seconds.");
  Response response = problem_response({problem});
  response.headers.emplace_back("Retry-After", count);
  return response;
}

Response accepted() {
  Response response;
  response.status = 202;
  return response;
}

Response no_content() {
  Response response;
  response.status = 204;
  return response;
}

Response bad_json(const std::string& reason) {
  Problem problem = invalid("/data", reason);
  problem.code = "parse_error";
  problem.title = "Malformed request.";
  return problem_response({problem});
}

}  // namespace

Simulator::Simulator(SimulatorOptions options) : options_(with_defaults(std::move(options))) {}

const std::vector<Simulator::Route>& Simulator::routes() {
  static const std::vector<std::string> consent = {"lists:write", "profiles:write",
                                                   "subscriptions:write"};
  static const std::vector<Route> table = {
      {"POST", "/api/events", {350, 3500}, {"events:write"}, &Simulator::create_event},
      {"GET", "/api/events", {350, 3500}, {"events:read"}, &Simulator::get_events},
      {"POST",
       "/api/event-bulk-create-jobs",
       {10, 150},
       {"events:write"},
       &Simulator::create_events},
      {"POST", "/api/profile-import", {75, 750}, {"profiles:write"}, &Simulator::import},
      {"POST",
       "/api/profile-subscription-bulk-create-jobs",
       {75, 750},
       consent,
       &Simulator::subscribe},
      {"POST",
       "/api/profile-subscription-bulk-delete-jobs",
       {75, 750},
       consent,
       &Simulator::unsubscribe},
      {"POST",
       "/api/data-privacy-deletion-jobs",
       {3, 60},
       {"data-privacy:write"},
       &Simulator::delete_profiles},
      {"GET", "/api/profiles", {75, 750}, {"profiles:read"}, &Simulator::get_profiles},
      {"GET", "/api/metrics", {10, 150}, {"metrics:read"}, &Simulator::get_metrics},
      {"GET", "/api/accounts", {1, 15}, {"accounts:read"}, &Simulator::get_accounts}};
  return table;
}

Response Simulator::handle(const Request& raw) {
  const Request request = without_last_slash(raw);
  if (request.path.rfind("/sim/", 0) == 0) return handle_control(request);

  std::optional<Fault> fault;
  {
    const std::lock_guard lock(mutex_);
    fault = faults_.take(request.method, request.path);
  }
  Response response;
  if (!fault) {
    response = handle_api(request);
  } else {
    if (!fault->after) options_.wait(fault->delay);
    if (!fault->replaces_handling()) response = handle_api(request);
    if (fault->after) options_.wait(fault->delay);
    response = apply_fault(*fault, std::move(response));
  }
  add_date(response);
  count_answer(request, response);
  return response;
}

Response Simulator::handle_control(const Request& request) {
  const std::string target = request.method + " " + request.path;
  if (target == "PUT /sim/faults") return put_faults(request);
  if (target == "POST /sim/reset") {
    reset();
    return no_content();
  }
  if (target == "GET /sim/stats") {
    Response response = json_response(200, stats_document(stats()));
    response.content_type = "application/json";
    return response;
  }
  if (target == "GET /sim/faults" || target == "DELETE /sim/faults") {
    const std::lock_guard lock(mutex_);
    if (request.method == "GET") {
      Response response = json_response(200, faults_.left());
      response.content_type = "application/json";
      return response;
    }
    faults_.clear();
    return no_content();
  }
  return problem_response({wrong_target(404, request)});
}

Response Simulator::put_faults(const Request& request) {
  const auto reason = set_faults(request.body);
  return reason ? problem_response({invalid("", *reason)}) : no_content();
}

Response Simulator::handle_api(const Request& request) {
  bool path_exists = false;
  for (const Route& route : routes()) {
    if (request.path != route.path) continue;
    path_exists = true;
    if (request.method == route.method) return handle_route(route, request);
  }
  return problem_response({wrong_target(path_exists ? 405 : 404, request)});
}

Response Simulator::handle_route(const Route& route, const Request& request) {
  if (const auto problem = check_key(request, options_.keys)) return problem_response({*problem});
  if (options_.scopes) {
    if (const auto problem = check_scopes(route.scopes, *options_.scopes)) {
      return problem_response({*problem});
    }
  }
  const RateAnswer rate = take_rate(route);
  if (rate.retry_after) return throttled(*rate.retry_after);

  finish_jobs();
  Response response;
  if (const auto bad_revision = check_revision(request)) {
    response = problem_response({*bad_revision});
  } else if (const auto bad_headers =
                 request.method == "POST" ? check_body_headers(request) : std::nullopt) {
    response = problem_response({*bad_headers});
  } else {
    response = (this->*route.handler)(request);
  }
  response.headers.emplace_back("RateLimit-Limit", std::to_string(rate.limit));
  response.headers.emplace_back("RateLimit-Remaining", std::to_string(rate.remaining));
  response.headers.emplace_back("RateLimit-Reset", std::to_string(rate.reset.count()));
  return response;
}

void Simulator::finish_jobs() {
  const auto now = options_.now();
  const std::lock_guard lock(mutex_);
  finish_deletions(account_, now);
}

RateAnswer Simulator::take_rate(const Route& route) {
  // A client that learns the account's limit from the headers must find one that never binds.
  constexpr std::int64_t kNoLimit = 1'000'000'000;
  if (!options_.limits) return {std::nullopt, kNoLimit, kNoLimit, std::chrono::minutes(1)};
  const auto now = options_.now();
  const std::lock_guard lock(mutex_);
  return rate_windows_.take(std::string(route.method) + " " + route.path, route.limit, now);
}

// A date that the script has set stays.
void Simulator::add_date(Response& response) const {
  if (response.has_header("Date")) return;
  response.headers.emplace_back("Date", format_http_date(now_seconds()));
}

void Simulator::count_answer(const Request& request, const Response& response) {
  const bool is_known = std::any_of(routes().begin(), routes().end(),
                                    [&](const Route& route) { return request.path == route.path; });
  const std::lock_guard lock(mutex_);
  ++stats_.requests;
  ++stats_.by_path[is_known ? request.path : "other"];
  if (response.delivery == Delivery::kReset) {
    ++stats_.resets;
  } else {
    ++stats_.answers[response.status];
  }
}

Response Simulator::create_event(const Request& request) {
  const ParsedJson body = parse_json(request.body);
  if (!body.value) return bad_json(body.error);
  return record(read_event(*body.value, options_.now()), false);
}

Response Simulator::create_events(const Request& request) {
  const ParsedJson body = parse_json(request.body);
  if (!body.value) return bad_json(body.error);
  return record(read_bulk(*body.value, options_.now()), true);
}

Response Simulator::record(EventsInput input, bool is_bulk) {
  if (!input.problems.empty()) return problem_response(input.problems);
  const std::chrono::sys_seconds now = now_seconds();
  const std::lock_guard lock(mutex_);
  if (is_bulk) {
    const std::vector<Problem> repeated = find_repeated_events(account_, input.groups);
    if (!repeated.empty()) return problem_response(repeated);
  }
  const EventCounts counts = record_events(account_, input.groups, now);
  stats_.events.recorded += counts.recorded;
  stats_.events.dropped += counts.dropped;
  stats_.events.duplicates += counts.duplicates;
  return accepted();
}

Response Simulator::import(const Request& request) {
  const ParsedJson body = parse_json(request.body);
  if (!body.value) return bad_json(body.error);
  std::vector<Problem> problems;
  const FieldReader document(&*body.value, "", problems);
  const ProfileInput input =
      read_profile(document.object("data", true), ProfilePlace::kImport, problems);
  if (!problems.empty()) return problem_response(problems);
  const std::chrono::sys_seconds now = now_seconds();
  const std::lock_guard lock(mutex_);
  const ImportResult result = import_profile(account_, input, now);
  if (!result.problems.empty()) return problem_response(result.problems);
  return json_response(result.created ? 201 : 200,
                       show_profile(account_, result.profile, base_of(request)));
}

Response Simulator::subscribe(const Request& request) {
  return take_job(JobKind::kSubscribe, request);
}

Response Simulator::unsubscribe(const Request& request) {
  return take_job(JobKind::kUnsubscribe, request);
}

Response Simulator::take_job(JobKind kind, const Request& request) {
  const ParsedJson body = parse_json(request.body);
  if (!body.value) return bad_json(body.error);
  const ConsentJob job = read_consent_job(kind, *body.value, options_.now());
  if (!job.problems.empty()) return problem_response(job.problems);
  const std::chrono::sys_seconds now = now_seconds();
  const std::lock_guard lock(mutex_);
  apply_consent(account_, kind, job, now);
  return accepted();
}

Response Simulator::delete_profiles(const Request& request) {
  const ParsedJson body = parse_json(request.body);
  if (!body.value) return bad_json(body.error);
  DeletionJob job = read_deletion_job(*body.value);
  if (!job.problems.empty()) return problem_response(job.problems);
  job.due = options_.now() + options_.deletion_time;
  const std::lock_guard lock(mutex_);
  account_.deletions.push_back(std::move(job));
  return accepted();
}

Response Simulator::get_events(const Request& request) {
  std::vector<Problem> problems;
  const ListQuery query = read_list_query(request, event_list_rules(), problems);
  if (!problems.empty()) return problem_response(problems);
  const std::lock_guard lock(mutex_);
  return json_response(200, list_events(account_, query, request, base_of(request)));
}

Response Simulator::get_profiles(const Request& request) {
  std::vector<Problem> problems;
  const ListQuery query = read_list_query(request, profile_list_rules(), problems);
  if (!problems.empty()) return problem_response(problems);
  const std::lock_guard lock(mutex_);
  return json_response(200, list_profiles(account_, query, request, base_of(request)));
}

Response Simulator::get_metrics(const Request& request) {
  std::vector<Problem> problems;
  const ListQuery query = read_list_query(request, metric_list_rules(), problems);
  if (!problems.empty()) return problem_response(problems);
  const std::lock_guard lock(mutex_);
  return json_response(200, list_metrics(account_, query, request, base_of(request)));
}

Response Simulator::get_accounts(const Request& request) {
  return json_response(200, list_accounts(base_of(request)));
}

std::chrono::sys_seconds Simulator::now_seconds() const {
  return std::chrono::floor<std::chrono::seconds>(options_.now());
}

std::optional<std::string> Simulator::set_faults(std::string_view script) {
  const ParsedJson parsed = parse_json(script);
  if (!parsed.value) return parsed.error;
  const std::lock_guard lock(mutex_);
  return faults_.load(*parsed.value);
}

Stats Simulator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Simulator::count_connection() {
  const std::lock_guard lock(mutex_);
  ++stats_.connections;
}

void Simulator::reset() {
  const std::lock_guard lock(mutex_);
  account_.clear();
  rate_windows_.clear();
  stats_ = Stats();
}

Json stats_document(const Stats& stats) {
  Json answers = Json::object();
  for (const auto& [status, count] : stats.answers) {
    answers[std::to_string(status)] = count;
  }
  return {{"requests", stats.requests},       {"answers", std::move(answers)},
          {"by_path", stats.by_path},         {"recorded", stats.events.recorded},
          {"dropped", stats.events.dropped},  {"duplicates", stats.events.duplicates},
          {"connections", stats.connections}, {"reset", stats.resets}};
}

}  // namespace sim

// Simulator is a local Klaviyo without a socket: a request goes in, the answer comes out.
//
// Place:     under HttpServer; tests call it directly.
// Threads:   every member may be called from any thread. One mutex guards the account, the rate
//            windows, the faults and the counters; bodies are parsed and checked outside it.
// Lifetime:  keeps everything in memory until POST /sim/reset or its end.
// Failure:   never throws; a bad request is an answer with a JSON:API error.
//
// A request under /api passes, in this order: scripted fault, path and method, key, its scopes,
// rate windows, revision, content type and size, JSON, field rules; then it is carried out.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account.hpp"
#include "faults.hpp"
#include "json_api.hpp"
#include "list_query.hpp"
#include "message.hpp"
#include "rate_windows.hpp"

namespace sim {

struct SimulatorOptions {
  // The accepted private keys; all belong to one account. Defaults to any that begins with "pk_".
  std::vector<std::string> keys;
  // Whether the rate windows are enforced. Defaults to true.
  bool limits = true;
  // Defaults to the system clock.
  std::function<std::chrono::system_clock::time_point()> now;
  // Waits for a fault's delay_ms, outside the mutex. Defaults to sleeping.
  std::function<void(std::chrono::milliseconds)> wait;
  // The scopes of the keys, such as "events:write". Defaults to all.
  std::optional<std::vector<std::string>> scopes{};
  // The time that a deletion job takes.
  std::chrono::milliseconds deletion_time{2'000};
};

struct Stats {
  std::uint64_t requests = 0;  // under /api
  std::map<int, std::uint64_t> answers;
  std::map<std::string, std::uint64_t> by_path;
  EventCounts events;
  std::uint64_t connections = 0;
  std::uint64_t resets = 0;  // requests that ended in a reset connection
};

class Simulator {
 public:
  explicit Simulator(SimulatorOptions options);

  Response handle(const Request& request);

  // Replaces the faults by a JSON script. Returns why it is bad, or nothing.
  std::optional<std::string> set_faults(std::string_view script);

  Stats stats() const;

  // Called by the server for each accepted connection.
  void count_connection();

  // Forgets events, profiles, metrics, rate windows and counters; keys and faults stay.
  void reset();

 private:
  using Handler = Response (Simulator::*)(const Request&);
  struct Route {
    const char* method;
    const char* path;
    RateLimit limit;
    std::vector<std::string> scopes;  // that the key must have, all of them
    Handler handler;
  };
  static const std::vector<Route>& routes();

  Response handle_control(const Request& request);
  Response put_faults(const Request& request);
  Response handle_api(const Request& request);
  Response handle_route(const Route& route, const Request& request);
  void finish_jobs();
  RateAnswer take_rate(const Route& route);
  void add_date(Response& response) const;
  void count_answer(const Request& request, const Response& response);

  Response create_event(const Request& request);
  Response create_events(const Request& request);
  Response import(const Request& request);
  Response subscribe(const Request& request);
  Response unsubscribe(const Request& request);
  Response take_job(JobKind kind, const Request& request);
  Response delete_profiles(const Request& request);
  Response get_events(const Request& request);
  Response get_profiles(const Request& request);
  Response get_metrics(const Request& request);
  Response get_accounts(const Request& request);

  Response record(EventsInput input, bool is_bulk);
  std::chrono::sys_seconds now_seconds() const;

  const SimulatorOptions options_;  // constant after construction

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Account account_;
  RateWindows rate_windows_;
  FaultQueue faults_;
  Stats stats_;
};

Json stats_document(const Stats& stats);

}  // namespace sim

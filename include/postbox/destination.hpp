// Destination is the seam to a vendor: it turns records into a request and an answer into a
// verdict.
//
// Place:     called by the sender thread on both sides of the HttpClient.
// Threads:   every member may be called from several threads at once; request() and verdict() are
//            pure: same arguments and settings, same result, no I/O, no clock.
// Lifetime:  shared; must outlive the tracker that uses it.
// Failure:   none: what cannot be understood is a verdict, too. Members do not throw.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <vector>

#include <postbox/bytes.hpp>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/log.hpp>

namespace postbox {

// So many requests in each window of that length. Zero requests: no limit.
struct RateWindow {
  std::uint32_t requests = 0;
  std::chrono::milliseconds length{0};
};

// An endpoint that takes events, and what it allows an account.
struct Lane {
  std::string_view name{};         // for people: "events", "bulk"
  std::size_t max_events = 1;      // in one request
  Bytes max_bytes = mebibytes(1);  // of their payloads; one event may go whatever its size
  RateWindow burst{};
  RateWindow steady{};
  std::size_t max_in_flight = std::numeric_limits<std::size_t>::max();
};

// The lanes that the events of a queue take, by their places: one at a time, and many in a request.
// Both are the same for a queue whose events always travel alone.
struct Route {
  std::size_t single = 0;
  std::size_t bulk = 0;
};

// Which events may share a request: those of one group, and at most so many.
struct Sharing {
  std::uint64_t group = 0;
  std::size_t most = std::numeric_limits<std::size_t>::max();
};

// The state of the steady window of a lane, as an answer tells it.
struct RateHint {
  std::uint32_t limit = 0;
  std::uint32_t remaining = 0;
  std::chrono::seconds reset{0};  // until the window ends
};

enum class VerdictKind : std::uint8_t {
  kDelivered,  // the vendor has it
  kRetry,      // once more, after a backoff; an attempt is spent
  kPause,      // the vendor asks for a pause on this lane (429); no attempt is spent
  kPark,       // key, scope or address trouble: keep everything, probe from time to time
  kSplit,      // some event of the batch is bad: take it out, or halve; no attempt is spent
  kDead,       // this event will never be taken
};

struct Verdict {
  VerdictKind kind = VerdictKind::kRetry;
  int http_status = 0;    // zero when no answer arrived
  std::string reason{};   // one line, without personal data
  std::string pointer{};  // the place in the request that the answer blames, if it names one
  std::optional<std::chrono::milliseconds> retry_after{};  // what the answer asked for, clamped
  std::optional<RateHint> rate{};
  std::vector<std::size_t> culprits{};  // kSplit: the events that the answer names, by their place
  bool lane_only = false;               // kPark: what is missing concerns this lane alone
  // kRetry: the answer is not the vendor's own (a proxy's page, a filter's). It says nothing of the
  // events, which are kept however long it lasts; the lane pauses at once.
  bool foreign = false;
};

struct LogLine {
  LogLevel level = LogLevel::kOff;  // kOff: nothing to say
  std::string text{};
};

class Destination {
 public:
  virtual ~Destination() = default;

  // The families of this vendor, in order of priority. Constant.
  [[nodiscard]] virtual std::span<const Family> families() const noexcept = 0;

  // False while something is missing without which nothing can be sent, such as the key.
  [[nodiscard]] virtual bool ready() const noexcept = 0;

  // Where events can be sent. Constant.
  [[nodiscard]] virtual std::span<const Lane> lanes() const noexcept = 0;

  // How the events of a queue get there. Constant. By default the first lane is for what should
  // arrive at once; a second, if there is one, takes many events in one request and is for a
  // backlog.
  [[nodiscard]] virtual Route route(QueueId /*queue*/) const noexcept {
    return {.single = 0, .bulk = lanes().size() < 2 ? 0U : 1U};
  }

  // The group of events with which this one may share a request, within what its lane takes. By
  // default any of its queue.
  [[nodiscard]] virtual Sharing sharing(const EventRecord& /*event*/) const noexcept { return {}; }

  // The share of the lanes' limits that may be used, in thousandths. May change at any time.
  [[nodiscard]] virtual std::uint32_t quota_per_mille() const noexcept { return 1000; }

  // Build the request that carries `events`, one to max_events that may share it, to lanes()[lane].
  [[nodiscard]] virtual HttpRequest request(std::size_t lane,
                                            std::span<const EventRecord* const> events) const = 0;

  // Judge what came back for the request of these events.
  [[nodiscard]] virtual Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                                        std::span<const EventRecord* const> events,
                                        WallTime now) const = 0;

  // The vendor's name for the event, such as "Placed Order"; empty when the record is damaged.
  [[nodiscard]] virtual std::string type_of(const EventRecord& event) const = 0;

  // The caller's own id of the event, such as an order's; empty when there is none, or the record
  // is damaged.
  [[nodiscard]] virtual std::string key_of(const EventRecord& /*event*/) const { return {}; }

  // Make the event one of history, which the vendor records without acting on it, and move it to
  // the queue of its kind. The keys stay, as does a damaged record.
  virtual void mark_backfill(EventRecord& event) const = 0;

  // The line that the operator sees for this event and verdict.
  [[nodiscard]] virtual LogLine log_line(const EventRecord& event,
                                         const Verdict& verdict) const = 0;

  // The same when requests begin not to get through (kRetry, kPark), and every few minutes while
  // they do not; the sender adds since when, and how many events wait.
  [[nodiscard]] virtual LogLine outage_line(const EventRecord& event,
                                            const Verdict& verdict) const {
    return log_line(event, verdict);
  }

  // The line for an event that track() has rejected: `rules` are the broken ones with their paths.
  [[nodiscard]] virtual LogLine rejection_line(const EventName& event,
                                               std::string_view rules) const {
    return {LogLevel::kError, std::string(event.log_name) + " rejected: " + std::string(rules)};
  }

  // The beginning of the line that says that they get through again.
  [[nodiscard]] virtual std::string recovery_text() const { return "events get through again"; }
};

}  // namespace postbox

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
#include <optional>
#include <span>
#include <string>
#include <variant>

#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/log.hpp>

namespace postbox {

enum class VerdictKind : std::uint8_t {
  kDelivered,  // the vendor has it
  kRetry,      // once more, after a backoff; an attempt is spent
  kPause,      // the vendor asks everyone to wait (429); no attempt is spent
  kPark,       // key, scope or address trouble: keep everything, probe from time to time
  kSplit,      // some event of the batch is bad: halve it; no attempt is spent
  kDead,       // this event will never be taken
};

struct Verdict {
  VerdictKind kind = VerdictKind::kRetry;
  int http_status = 0;                                     // zero when no answer arrived
  std::string reason{};                                    // one line, without personal data
  std::optional<std::chrono::milliseconds> retry_after{};  // what the answer asked for, clamped
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

  // How many events one request may carry. Constant.
  [[nodiscard]] virtual std::size_t max_events_per_request() const noexcept { return 1; }

  // Build the request that carries `events`: one, up to max_events_per_request().
  [[nodiscard]] virtual HttpRequest request(std::span<const EventRecord* const> events) const = 0;

  // Judge what came back for a request of `events` events.
  [[nodiscard]] virtual Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                                        std::size_t events, WallTime now) const = 0;

  // The line that the operator sees for this event and verdict.
  [[nodiscard]] virtual LogLine log_line(const EventRecord& event,
                                         const Verdict& verdict) const = 0;
};

}  // namespace postbox

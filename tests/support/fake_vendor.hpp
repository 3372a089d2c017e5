// FakeVendor is a destination with one family whose payloads are plain texts; Note is its event.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <postbox/destination.hpp>
#include <postbox/event.hpp>

namespace postbox::tests {

inline constexpr Family kNotes{QueueId{1}, "note", "NOTES_ENABLED"};
inline constexpr Family kMemos{QueueId{2}, "memo", "MEMOS_ENABLED"};

inline Key key_of(std::string_view text) {
  Key key{};
  // The first four bytes decide the percentage: a number at the start of the text is used as it is.
  std::uint32_t number = 0;
  std::size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    number = number * 10 + static_cast<std::uint32_t>(text[i] - '0');
  }
  for (std::size_t byte = 0; byte < 4; ++byte) {
    key[byte] = static_cast<std::byte>(number >> (24U - 8U * byte));
  }
  std::uint64_t hash = 1469598103934665603U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  std::memcpy(key.data() + 8, &hash, sizeof hash);
  return key;
}

// An event: its text is its identity; one that begins with '!' breaks a rule.
struct Note {
  std::string text;
  std::string profile = "1";
  std::size_t copies = 1;
  const Family* of = &kNotes;

  const Family& family() const noexcept { return *of; }
  Key profile_key() const { return key_of(profile); }
  std::size_t size() const noexcept { return copies; }
  void encode(EventBatch& batch) const {
    batch.set_name({"Note", of->name, text});
    if (text.starts_with('!')) return batch.reject({"text", "must not begin with '!'"});
    for (std::size_t i = 0; i < copies; ++i) {
      const std::string own = text + (i == 0 ? "" : "#" + std::to_string(i));
      batch.add({of->queue, key_of(own), profile_key(), own});
    }
  }
};

class FakeVendor final : public Destination {
 public:
  explicit FakeVendor(std::size_t per_request = 1) : lanes_{Lane{.max_events = per_request}} {}
  explicit FakeVendor(std::vector<Lane> lanes) : lanes_(std::move(lanes)) {}

  bool has_key = true;
  std::uint32_t share = 1000;
  std::optional<Route> memo_route{};                        // where memos go; unset: as all others
  std::function<Sharing(const EventRecord&)> sharing_of{};  // unset: any with any

  std::span<const Family> families() const noexcept override { return families_; }
  bool ready() const noexcept override { return has_key; }
  std::span<const Lane> lanes() const noexcept override { return lanes_; }
  Route route(QueueId queue) const noexcept override {
    return queue == kMemos.queue ? memo_route.value_or(Destination::route(queue))
                                 : Destination::route(queue);
  }
  std::uint32_t quota_per_mille() const noexcept override { return share; }
  Sharing sharing(const EventRecord& event) const noexcept override {
    return sharing_of ? sharing_of(event) : Sharing{};
  }

  HttpRequest request(std::size_t lane, std::span<const EventRecord* const> events) const override {
    HttpRequest request{std::array{"http://vendor.invalid/", "http://vendor.invalid/bulk",
                                   "http://vendor.invalid/memos"}[lane],
                        {},
                        {}};
    for (const EventRecord* event : events) request.body += event->payload + "\n";
    return request;
  }

  Verdict verdict(const std::variant<HttpResponse, TransportFailure>& outcome,
                  std::span<const EventRecord* const> events, WallTime) const override {
    const auto* response = std::get_if<HttpResponse>(&outcome);
    if (response == nullptr) return {VerdictKind::kRetry, 0, "no answer", {}};
    const int status = response->status;
    const auto number = [&](const char* header) {
      return static_cast<std::uint32_t>(std::stoul("0" + std::string(response->header(header))));
    };
    Verdict verdict{VerdictKind::kRetry, status, "status " + std::to_string(status), {}};
    if (number("ratelimit-limit") > 0) {
      verdict.rate = {number("ratelimit-limit"), number("ratelimit-remaining"),
                      std::chrono::seconds(number("ratelimit-reset"))};
    }
    // "culprits: 3 17" in the body names the bad events.
    if (response->body.starts_with("culprits:")) {
      std::istringstream places(response->body.substr(9));
      for (std::size_t place = 0; places >> place;) verdict.culprits.push_back(place);
    }
    if (status == 202) verdict.kind = VerdictKind::kDelivered;
    if (status == 400) verdict.kind = events.size() > 1 ? VerdictKind::kSplit : VerdictKind::kDead;
    if (status == 400) verdict.pointer = "/first";
    if (status == 401 || status == 403) verdict.kind = VerdictKind::kPark;
    verdict.lane_only = status == 403;
    verdict.foreign = status == 407;
    if (status == 429) {
      verdict.kind = VerdictKind::kPause;
      const auto seconds = response->header("retry-after");
      if (!seconds.empty())
        verdict.retry_after = std::chrono::seconds(std::stoi(std::string(seconds)));
    }
    return verdict;
  }

  // The first word.
  std::string type_of(const EventRecord& event) const override {
    return event.payload.substr(0, event.payload.find(' '));
  }

  std::string key_of(const EventRecord& event) const override { return event.payload; }

  LogLine outage_line(const EventRecord& event, const Verdict& verdict) const override {
    if (verdict.kind == VerdictKind::kPark) return log_line(event, verdict);
    return {LogLevel::kError, "failing: " + verdict.reason};
  }

  // History is a memo.
  void mark_backfill(EventRecord& event) const override {
    event.payload += " (history)";
    event.queue = kMemos.queue;
  }

  LogLine log_line(const EventRecord& event, const Verdict& verdict) const override {
    switch (verdict.kind) {
      case VerdictKind::kDelivered:
        return {LogLevel::kInfo, "sent " + event.payload};
      case VerdictKind::kDead:
        return {LogLevel::kError, "dead " + event.payload + ": " + verdict.reason};
      case VerdictKind::kPause:
        return {LogLevel::kWarn,
                "paused " + std::to_string(
                                verdict.retry_after.value_or(std::chrono::milliseconds{}).count())};
      case VerdictKind::kPark:
        return {LogLevel::kError, "parked"};
      default:
        return {};
    }
  }

 private:
  std::vector<Lane> lanes_;
  std::array<Family, 2> families_{kNotes, kMemos};
};

// Collects log lines; give sink() to Config::log.
class LogLines {
 public:
  LogSink sink() {
    return [lines = lines_](LogLevel level, std::string_view line) {
      const std::lock_guard lock(lines->mutex);
      lines->all.emplace_back(level, std::string(line));
    };
  }
  std::size_t count(std::string_view part) const {
    const std::lock_guard lock(lines_->mutex);
    return static_cast<std::size_t>(std::ranges::count_if(lines_->all, [&](const auto& line) {
      return line.second.find(part) != std::string::npos;
    }));
  }
  std::string joined() const {
    const std::lock_guard lock(lines_->mutex);
    std::string text;
    for (const auto& [level, line] : lines_->all) text += line + "\n";
    return text;
  }

 private:
  struct Lines {
    std::mutex mutex;
    std::vector<std::pair<LogLevel, std::string>> all;
  };
  std::shared_ptr<Lines> lines_ = std::make_shared<Lines>();
};

}  // namespace postbox::tests

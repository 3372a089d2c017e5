#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stripe/webhook.hpp>
#include <thread>
#include <utility>

namespace stripe {
namespace {

using postbox::LogLevel;
using postbox::Result;
using postbox::TrackStatus;
using postbox::WallTime;
using namespace std::chrono_literals;

// A line that somebody else can provoke, at most once in a while, with the count of the others.
class RareLine {
 public:
  // Returns how many were left out since the last one; nothing when this one is, too.
  std::optional<std::uint64_t> admit(WallTime now) {
    const std::lock_guard lock(mutex_);
    if (now < next_) {
      ++left_out_;
      return std::nullopt;
    }
    next_ = now + 30s;
    return std::exchange(left_out_, 0);
  }

 private:
  std::mutex mutex_;
  WallTime next_{};
  std::uint64_t left_out_ = 0;
};

constexpr std::string_view kCustomer = "customer:";

}  // namespace

struct Webhook::Impl {
  Impl(Config settings, postbox::Tracker& target) : config_(std::move(settings)), tracker_(target) {
    if (!config_.clock) config_.clock = postbox::system_clock();
    if (!config_.memory) config_.memory = sqlite_memory(config_.memory_path, config_.memory_limits);
    if (config_.secrets.empty()) return;  // there is nothing to wait for
    if (config_.threads)
      thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  Answer handle(std::string_view body, std::string_view signature) {
    if (config_.secrets.empty()) return {503, "STRIPE_WEBHOOK_SECRET is not set"};
    const WallTime now = config_.clock->wall_now();
    if (body.size() > config_.max_body.count) return refuse("the body is too large", now);
    const Verdict verdict = verify(body, signature, config_.secrets, now, config_.tolerance);
    if (verdict != Verdict::kValid) return refuse(to_string(verdict), now);
    const Processed processed = process(body, now, std::nullopt);
    // Whose time has come is left to run_once(): the sender waits for an answer.
    if (!processed.facts.empty()) release(processed.facts, WallTime::min(), now);
    return processed.answer;
  }

  std::optional<WallTime> run_once() {
    constexpr auto kPause = 1s;
    const WallTime now = config_.clock->wall_now();
    const bool all_done = release({}, now, now);
    const auto next = config_.memory->next_due();
    if (!next) report(next.error().message, now);
    const auto due = next.value_or(std::nullopt);
    // What could not be tracked is due still: not at once again.
    return due && !all_done ? std::max(*due, now + kPause) : due;
  }

 private:
  struct Processed {
    Answer answer;
    std::vector<Fact> facts;  // what the body has told
  };

  // `until` is when a body that has waited already goes without what it waits for.
  Processed process(std::string_view body, WallTime now, std::optional<WallTime> until) {
    auto mapping =
        to_events(body, {.test_mode = config_.test_mode,
                         .lookup = [&](std::string_view key) { return known(key, now); }});
    if (!mapping) {
      report("a body cannot be mapped: " + mapping.error().message, now);
      return {{400, mapping.error().message}, {}};
    }
    learn(mapping->facts, mapping->created, now);
    return {track_or_wait(*mapping, body, now, until), std::move(mapping->facts)};
  }

  Answer track_or_wait(const Mapping& mapping, std::string_view body, WallTime now,
                       std::optional<WallTime> until) {
    if (!mapping.ignored.empty()) return {200, "ignored: " + mapping.ignored};
    if (!mapping.missing.empty()) {
      const WallTime deadline = until.value_or(
          std::max(mapping.created + config_.patience, now + config_.least_patience));
      const std::string& key = mapping.missing.front();
      if (deadline > now && wait({mapping.event_id, std::string(body), key, deadline}, now)) {
        return {200, "waits for " + key};
      }
    }
    return track(mapping, now);
  }

  Answer track(const Mapping& mapping, WallTime now) {
    bool is_kept = false;
    for (const Event& event : mapping.events) {
      const auto result = std::visit(
          [&](const auto& typed) { return tracker_.track_durably(typed, config_.disk_deadline); },
          event);
      if (!result) {
        report(mapping.type + " " + mapping.event_id + ": " + result.to_string(), now);
        return {result.status() == TrackStatus::kRejected ? 400 : 503, result.to_string()};
      }
      is_kept = is_kept || result.status() == TrackStatus::kAccepted;
    }
    if (is_kept) learn(mapping.decisions, mapping.created, now);
    return {200, std::to_string(mapping.events.size()) + (is_kept ? " events" : " disabled")};
  }

  // Tracks the bodies that wait for one of the facts, or whose time has come at `due`. False when
  // one must stay.
  bool release(const std::vector<Fact>& facts, WallTime due, WallTime now) {
    const auto bodies = config_.memory->ready(facts, due);
    if (!bodies) {
      report(bodies.error().message, now);
      return false;
    }
    bool all_done = true;
    for (const WaitingBody& waiting : *bodies) {
      const Answer answer = process(waiting.body, now, waiting.until).answer;
      if (answer.status == 503) {
        all_done = false;
      } else if (!answer.reason.starts_with("waits")) {
        forget(waiting.event_id, now);
      }
    }
    return all_done;
  }

  std::optional<std::string> known(std::string_view key, WallTime now) {
    auto found = config_.memory->get(key, now);
    if (!found) {
      note(troubles_, LogLevel::kWarn, found.error().message, now);
    } else if (*found) {
      return *std::move(found);
    }
    if (!config_.resolver || !key.starts_with(kCustomer)) return std::nullopt;
    return resolve(key, now);
  }

  std::optional<std::string> resolve(std::string_view key, WallTime now) {
    const std::string_view id = key.substr(kCustomer.size());
    const std::size_t colon = id.find(':');
    const bool has_account = colon != std::string_view::npos;
    try {
      auto email = config_.resolver(has_account ? id.substr(colon + 1) : id,
                                    has_account ? id.substr(0, colon) : std::string_view());
      if (email) learn({{std::string(key), *email}}, now, now);
      return email;
    } catch (...) {
      report("the resolver threw", now);
      return std::nullopt;
    }
  }

  // Without its memory a webhook goes on: events then carry Stripe's ids.
  void learn(const std::vector<Fact>& facts, WallTime as_of, WallTime now) {
    if (facts.empty()) return;
    const auto kept = config_.memory->put(facts, as_of, now + config_.remember_for);
    if (!kept) note(troubles_, LogLevel::kWarn, kept.error().message, now);
  }

  bool wait(const WaitingBody& body, WallTime now) {
    const auto kept = config_.memory->wait(body);
    if (!kept) note(troubles_, LogLevel::kWarn, kept.error().message, now);
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    wake_.notify_one();
    return kept.has_value();
  }

  void forget(const std::string& event_id, WallTime now) {
    const auto gone = config_.memory->done(event_id);
    if (!gone) note(troubles_, LogLevel::kWarn, gone.error().message, now);
  }

  Answer refuse(std::string_view why, WallTime now) {
    note(refusals_, LogLevel::kWarn, "refused: " + std::string(why), now);
    return {400, std::string(why)};
  }

  void report(std::string_view what, WallTime now) { note(failures_, LogLevel::kError, what, now); }

  void note(RareLine& lines, LogLevel level, std::string_view what, WallTime now) {
    const auto left_out = lines.admit(now);
    if (!left_out || !config_.log) return;
    std::string line = "Stripe webhook: " + std::string(what);
    if (*left_out > 0) line += " (and " + std::to_string(*left_out) + " lines before it)";
    try {
      config_.log(level, line);
    } catch (...) {
      // A sink that throws is the host's affair.
    }
  }

  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto due = run_once();
      const auto pause =
          due ? std::clamp<std::chrono::milliseconds>(*due - config_.clock->wall_now(), 1ms, 60s)
              : std::chrono::milliseconds(60s);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, pause, [this] { return is_woken_; });
      is_woken_ = false;
    }
  }

  // Constant after construction.
  Config config_;
  postbox::Tracker& tracker_;

  // What strangers provoke, what the memory suffers, and events that are not kept: none hides
  // another.
  RareLine refusals_;
  RareLine troubles_;
  RareLine failures_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool is_woken_ = false;  // guarded by mutex_

  std::jthread thread_;  // last: it uses all the others
};

Result<Webhook> Webhook::start(Config config, postbox::Tracker& tracker) {
  if (auto ok = config.validate(); !ok) return ok.error().with_context("stripe::Config");
  if (config.secrets.empty() && config.log) {
    config.log(
        LogLevel::kWarn,
        "Stripe webhooks are off: STRIPE_WEBHOOK_SECRET is not set; each is answered with 503");
  }
  return Webhook(std::make_unique<Impl>(std::move(config), tracker));
}

Result<Webhook> Webhook::start(Result<Config> config, postbox::Tracker& tracker) {
  if (!config) return config.error();
  return start(*std::move(config), tracker);
}

Webhook::Webhook(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Webhook::Webhook(Webhook&&) noexcept = default;
Webhook& Webhook::operator=(Webhook&&) noexcept = default;
Webhook::~Webhook() = default;

Answer Webhook::handle(std::string_view body, std::string_view signature) {
  try {
    return impl_->handle(body, signature);
  } catch (const std::exception& error) {  // out of memory
    return {503, error.what()};
  }
}

std::optional<WallTime> Webhook::run_once() { return impl_->run_once(); }

}  // namespace stripe

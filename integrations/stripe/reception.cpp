#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <postbox/json_text.hpp>
#include <set>
#include <stripe/draft.hpp>
#include <stripe/rare_line.hpp>
#include <stripe/reception.hpp>
#include <thread>
#include <utility>

#include "fork_gate.hpp"
#include "signals_blocked.hpp"

namespace stripe {
namespace {

using postbox::LogLevel;
using postbox::Result;
using postbox::TrackStatus;
using postbox::WallTime;
using namespace std::chrono_literals;

constexpr std::string_view kCustomer = "customer:";

// Before what could not be done is tried again.
constexpr auto kPause = 1s;

using Count = std::atomic<std::uint64_t>;

struct AtomicCounts {
  Count received, refused, unusable, ignored, tracked, disabled, waited, failed;
  Count released, lost, incomplete;
};

}  // namespace

struct Reception::Impl {
  Impl(Config settings, postbox::Tracker& target) : config_(std::move(settings)), tracker_(target) {
    if (!config_.clock) config_.clock = postbox::system_clock();
    if (!config_.memory) {
      config_.memory = sqlite_memory(
          memory_path(), config_.memory_limits, [this](LogLevel, std::string_view line) {
            note(damages_, LogLevel::kError, line, config_.clock->wall_now());
          });
    }
    accept({config_.secrets, config_.test_mode, config_.reports});
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { is_stopping_ = true; }  // and the thread's own destructor wakes it and waits

  Answer handle(std::string_view body, std::string_view signature) noexcept {
    ++counts_.received;
    try {
      Outcome outcome = take(body, signature);
      ++*outcome.count;
      return std::move(outcome.answer);
    } catch (...) {  // out of memory, or the host's memory
      ++counts_.failed;
      return {503, "an exception"};
    }
  }

  // Called by a thread: what is thrown here would end the program.
  std::optional<WallTime> run_once() noexcept {
    try {
      return step();
    } catch (...) {
      return config_.clock->wall_now() + kPause;
    }
  }

  Result<std::size_t> forget(std::string_view email) {
    try {
      const std::string address = usable_email(email);
      return address.empty() ? Result<std::size_t>(0) : config_.memory->forget(address);
    } catch (...) {
      return postbox::Error{postbox::ErrorCode::kInternal, "an exception"};
    }
  }

  [[nodiscard]] Counts counts() const noexcept {
    const AtomicCounts& c = counts_;
    return {c.received, c.refused, c.unusable, c.ignored, c.tracked,    c.disabled,
            c.waited,   c.failed,  c.released, c.lost,    c.incomplete, waiting()};
  }

  Result<void> reload() {
    try {
      const postbox::NoFork no_fork;  // a child begins with what this leaves in force
      const std::lock_guard lock(reloading_);
      return read_again();
    } catch (const std::exception& failure) {
      return postbox::Error{postbox::ErrorCode::kInternal,
                            std::string("cannot reload: ") + failure.what()};
    }
  }

  [[nodiscard]] Config in_force() const {
    Config config = config_;
    const Accepted& now = *accepted_.load();
    config.secrets = now.secrets;
    config.test_mode = now.test_mode;
    config.reports = now.reports;
    config.needs_environment_file = needs_environment_file_;
    return config;
  }

  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() {
    const std::lock_guard lock(unhandled_mutex_);
    return unhandled_;
  }

  // Constant after construction.
  Config config_;

 private:
  // What reload() may change. Those that gave way stay, for somebody may read them still, and a
  // lock would be taken for ever in a child of fork().
  struct Accepted {
    std::vector<std::string> secrets;
    bool test_mode = false;
    Reports reports = kDefaultReports;
  };

  void accept(Accepted next) {
    every_.push_back(std::make_unique<const Accepted>(std::move(next)));
    accepted_ = every_.back().get();
    // Without a secret there is nothing to wait for.
    if (every_.back()->secrets.empty() || !config_.threads || thread_.joinable()) return;
    const postbox::SignalsBlocked blocked;
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  Result<void> read_again() {
    using postbox::Environment;
    if (!config_.environment_file) {
      return postbox::Error{postbox::ErrorCode::kInvalidArgument,
                            "this webhook has no configuration to read again"};
    }
    const auto environment = Environment::load(
        *config_.environment_file,
        needs_environment_file_ ? Environment::Missing::kIsError : Environment::Missing::kIsEmpty);
    if (!environment) return environment.error();
    auto next = Config::from(*environment);
    if (!next) return next.error();
    needs_environment_file_ = environment->has_file();
    const Accepted& old = *accepted_.load();
    const bool is_same_mode = old.test_mode == next->test_mode;
    const bool is_same_reports = old.reports == next->reports;
    if (is_same_mode && is_same_reports && old.secrets == next->secrets) return {};
    if (old.secrets != next->secrets) {
      say("STRIPE_WEBHOOK_SECRET " + counted(old.secrets) + " -> " + counted(next->secrets));
    }
    if (!is_same_mode) {
      say(std::string("STRIPE_TEST_MODE -> ") + (old.test_mode ? "false" : "true"));
    }
    if (!is_same_reports) {
      say("STRIPE_EVENTS " + old.reports.to_string() + " -> " + next->reports.to_string());
    }
    accept({std::move(next->secrets), next->test_mode, next->reports});
    return {};
  }

  static std::string counted(const std::vector<std::string>& secrets) {
    return secrets.empty() ? "none" : "(" + std::to_string(secrets.size()) + " secrets)";
  }

  void say(const std::string& change) const {
    if (config_.log) config_.log(LogLevel::kInfo, "Stripe configuration changed: " + change);
  }

  [[nodiscard]] std::string memory_path() const {
    if (config_.memory_path) return *config_.memory_path;
    const auto outbox = tracker_.outbox_file();
    if (!outbox) return "postbox.db-stripe";
    return outbox->empty() ? std::string() : *outbox + "-stripe";
  }

  std::optional<WallTime> step() {
    const WallTime now = config_.clock->wall_now();
    const bool asks_again = resolve_one(now);
    const bool all_done = release({}, now, now);
    if (asks_again) return now;
    const auto next = config_.memory->next_due();
    if (!next) report(next.error().message, now);
    const auto due = next.value_or(std::nullopt);
    // A body that could not be tracked is due still: not at once again.
    return due && !all_done ? std::max(*due, now + kPause) : due;
  }

  struct Outcome {
    Answer answer;
    Count* count;
    std::vector<Fact> facts{};  // what the body has told
  };

  Outcome take(std::string_view body, std::string_view signature) {
    const Accepted& accepted = *accepted_.load();
    if (accepted.secrets.empty()) {
      return {{503, "STRIPE_WEBHOOK_SECRET is not set"}, &counts_.failed};
    }
    const WallTime now = config_.clock->wall_now();
    if (body.size() > config_.max_body.count) return refuse("the body is too large", now);
    const Verdict verdict = verify(body, signature, accepted.secrets, now, config_.tolerance);
    if (verdict != Verdict::kValid) return refuse(to_string(verdict), now);
    if (postbox::mended_json(body)) {
      note(mended_, LogLevel::kWarn, "a body held half a surrogate pair: U+FFFD took its place",
           now);
    }
    Outcome outcome = process(body, now, std::nullopt);
    // Whose time has come is left to run_once(): the sender waits for an answer.
    if (!outcome.facts.empty()) release(outcome.facts, WallTime::min(), now);
    return outcome;
  }

  // `until` is when a body that has waited already goes without what it waits for.
  Outcome process(std::string_view body, WallTime now, std::optional<WallTime> until) {
    // Each turn knows more decisions, and a body needs few.
    for (int turns = 0; turns < 5; ++turns) {
      auto mapping = to_events(body, options(now));
      if (!mapping) {
        report("a body cannot be mapped: " + mapping.error().message, now);
        // No fault of the body's: without memory, say. It may be mapped the next time.
        const bool is_ours = mapping.error().code == postbox::ErrorCode::kInternal;
        return {{is_ours ? 503 : 400, mapping.error().message},
                is_ours ? &counts_.failed : &counts_.unusable};
      }
      if (mapping->is_thin) return refuse_thin(*mapping, now);
      if (mapping->is_unhandled) count_unhandled(mapping->type);
      learn(mapping->facts, now);
      if (!end_carts(mapping->completions)) return {{503, "not on disk in time"}, &counts_.failed};
      if (!mapping->ignored.empty() && mapping->missing.empty() && mapping->decisions.empty()) {
        return {{200, "ignored: " + mapping->ignored}, &counts_.ignored, std::move(mapping->facts)};
      }
      if (auto waits = wait_for_more(*mapping, body, now, until)) return *std::move(waits);
      if (!decide(mapping->decisions, now)) continue;
      if (!mapping->ignored.empty()) {
        return {{200, "ignored: " + mapping->ignored}, &counts_.ignored, std::move(mapping->facts)};
      }
      return track(*mapping, now);
    }
    return {{503, "decisions change all the time"}, &counts_.failed};
  }

  // Answered with 200 it would be gone: Stripe keeps it and shows that something is wrong.
  Outcome refuse_thin(const Mapping& mapping, WallTime now) {
    const std::string why = "a thin event (" + mapping.type +
                            ") names an object and does not have it in it: set the endpoint's "
                            "payload style to snapshot in Stripe's dashboard";
    report(why, now);
    return {{400, why}, &counts_.unusable};
  }

  // Once for each type, so that whoever has subscribed to it knows.
  void count_unhandled(const std::string& type) {
    constexpr std::size_t kMostTypes = 100;
    {
      const std::lock_guard lock(unhandled_mutex_);
      const auto known = unhandled_.find(type);
      if (known != unhandled_.end() || unhandled_.size() >= kMostTypes) {
        ++(known != unhandled_.end() ? known->second : unhandled_["other"]);
        return;
      }
      unhandled_[type] = 1;
    }
    write(LogLevel::kWarn, "Stripe webhook: nothing is made of the type " + type.substr(0, 100) +
                               ", which is answered with 200; take it from the endpoint");
  }

  MappingOptions options(WallTime now) {
    return {.test_mode = accepted_.load()->test_mode,
            .reports = accepted_.load()->reports,
            .lookup = [this, now](
                          std::string_view key,
                          WallTime at) { return found(config_.memory->get(key, at, now), now); },
            .decided =
                [this, now](std::string_view key) {
                  return found(config_.memory->decided(key, now), now);
                }};
  }

  // Nothing when the body is to be tracked now.
  std::optional<Outcome> wait_for_more(const Mapping& mapping, std::string_view body, WallTime now,
                                       std::optional<WallTime> until) {
    if (mapping.missing.empty()) return std::nullopt;
    const WallTime deadline = until.value_or(now + config_.patience);
    if (deadline <= now) return std::nullopt;
    // What would be refused later must be refused while Stripe listens.
    if (auto violations = violations_of(mapping, now); !violations.empty()) {
      return reject(mapping, postbox::TrackResult(TrackStatus::kRejected, std::move(violations)),
                    now);
    }
    const std::string& key = awaited_by(mapping);
    if (!wait({mapping.event_id, std::string(body), key, deadline}, now)) return std::nullopt;
    return Outcome{{200, "waits for " + key}, &counts_.waited, mapping.facts};
  }

  // What the resolver can tell comes first.
  [[nodiscard]] const std::string& awaited_by(const Mapping& mapping) const {
    const auto customer = std::ranges::find_if(mapping.missing, is_customer);
    const bool ask = config_.resolver && customer != mapping.missing.end();
    return ask ? *customer : mapping.missing.front();
  }

  [[nodiscard]] std::uint64_t waiting() const noexcept {
    try {
      const auto awaited = config_.memory->awaited();
      return awaited ? awaited->size() : 0;
    } catch (...) {
      return 0;
    }
  }

  static bool is_customer(std::string_view key) { return key.starts_with(kCustomer); }

  static std::vector<postbox::Violation> violations_of(const Mapping& mapping, WallTime now) {
    postbox::EventBatch batch(now);
    for (const Event& event : mapping.events) {
      std::visit([&](const auto& typed) { typed.encode(batch); }, event);
    }
    return std::move(batch.violations());
  }

  // At once, whatever the body waits for.
  bool end_carts(const std::vector<klaviyo::CartCompletion>& completions) {
    return std::ranges::all_of(completions, [this](const klaviyo::CartCompletion& completion) {
      const auto status = tracker_.track_durably(completion, config_.disk_deadline).status();
      return status == TrackStatus::kAccepted || status == TrackStatus::kDisabled;
    });
  }

  Outcome track(const Mapping& mapping, WallTime now) {
    bool is_kept = false;
    for (const Event& event : mapping.events) {
      const auto result = std::visit(
          [&](const auto& typed) { return tracker_.track_durably(typed, config_.disk_deadline); },
          event);
      if (!result) return reject(mapping, result, now);
      is_kept = is_kept || result.status() == TrackStatus::kAccepted;
    }
    if (is_kept && !mapping.missing.empty()) ++counts_.incomplete;
    return {{200, std::to_string(mapping.events.size()) + (is_kept ? " events" : " disabled")},
            is_kept ? &counts_.tracked : &counts_.disabled,
            mapping.facts};
  }

  Outcome reject(const Mapping& mapping, const postbox::TrackResult& result, WallTime now) {
    report(mapping.type + " " + mapping.event_id + ": " + result.to_string(), now);
    const bool is_rejected = result.status() == TrackStatus::kRejected;
    return {{is_rejected ? 400 : 503, result.to_string()},
            is_rejected ? &counts_.unusable : &counts_.failed,
            mapping.facts};
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
      if (is_stopping_) return false;
      const Outcome outcome = process(waiting.body, now, waiting.until);
      if (outcome.count == &counts_.failed) {
        all_done = false;
      } else if (outcome.count != &counts_.waited && forget(waiting.event_id, now)) {
        ++(outcome.count == &counts_.unusable ? counts_.lost : counts_.released);
      }
    }
    return all_done;
  }

  // Asks for one of the customers whom bodies wait for, so that the others whose time comes need
  // not wait for all answers. False when there is none left to be asked for.
  bool resolve_one(WallTime now) {
    if (!config_.resolver) return false;
    const auto awaited = config_.memory->awaited();
    if (!awaited) return false;  // run_once() reports it
    std::set<std::string> asked;
    std::string next;
    for (const std::string& key : *awaited) {
      if (asked_.contains(key)) asked.insert(key);
      if (next.empty() && is_customer(key) && !asked_.contains(key)) next = key;
    }
    asked_ = std::move(asked);  // what nobody waits for any more may be asked for again
    if (next.empty()) return false;
    asked_.insert(next);
    if (const auto email = ask_for(next, now)) {
      const std::vector<Fact> facts = {{next, *email, now}};
      learn(facts, now);
      release(facts, WallTime::min(), now);
    }
    return true;
  }

  std::optional<std::string> ask_for(std::string_view key, WallTime now) {
    const std::string_view id = key.substr(kCustomer.size());
    const std::size_t colon = id.find(':');
    const bool has_account = colon != std::string_view::npos;
    try {
      return config_.resolver(has_account ? id.substr(colon + 1) : id,
                              has_account ? id.substr(0, colon) : std::string_view());
    } catch (...) {
      report("the resolver threw", now);
      return std::nullopt;
    }
  }

  std::optional<std::string> found(const Result<std::optional<std::string>>& result, WallTime now) {
    if (result) return *result;
    note(troubles_, LogLevel::kWarn, result.error().message, now);
    return std::nullopt;
  }

  // False when somebody else has decided otherwise: then the body must be mapped again.
  bool decide(const std::vector<Decision>& decisions, WallTime now) {
    if (decisions.empty()) return true;
    const auto stand = config_.memory->decide(decisions, now, now + config_.remember_for);
    if (!stand) note(troubles_, LogLevel::kWarn, stand.error().message, now);
    return stand.value_or(true);
  }

  // Without its memory a webhook goes on: events then carry Stripe's ids.
  void learn(const std::vector<Fact>& facts, WallTime now) {
    if (facts.empty()) return;
    const auto kept = config_.memory->put(facts, now, now + config_.remember_for);
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

  bool forget(const std::string& event_id, WallTime now) {
    const auto gone = config_.memory->done(event_id);
    if (!gone) note(troubles_, LogLevel::kWarn, gone.error().message, now);
    return gone.value_or(false);
  }

  Outcome refuse(std::string_view why, WallTime now) {
    note(refusals_, LogLevel::kWarn, "refused: " + std::string(why), now);
    return {{400, std::string(why)}, &counts_.refused};
  }

  void report(std::string_view what, WallTime now) { note(failures_, LogLevel::kError, what, now); }

  void note(RareLine& lines, LogLevel level, std::string_view what, WallTime now) {
    const auto left_out = lines.admit(now);
    if (!left_out || !config_.log) return;
    std::string line = "Stripe webhook: " + std::string(what);
    if (*left_out > 0) line += " (and " + std::to_string(*left_out) + " lines before it)";
    write(level, line);
  }

  void write(LogLevel level, const std::string& line) {
    try {
      if (config_.log) config_.log(level, line);
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

  postbox::Tracker& tracker_;

  std::atomic<bool> is_stopping_{false};

  // What strangers provoke, what the memory suffers, and events that are not kept: none hides
  // another.
  RareLine refusals_;
  RareLine troubles_;
  RareLine damages_;
  RareLine failures_;
  RareLine mended_;

  AtomicCounts counts_;
  std::set<std::string> asked_;  // run_once() only: customers whom the resolver was asked for

  std::mutex unhandled_mutex_;
  std::map<std::string, std::uint64_t> unhandled_;  // guarded by unhandled_mutex_

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool is_woken_ = false;  // guarded by mutex_

  std::atomic<const Accepted*> accepted_{nullptr};
  std::mutex reloading_;  // with NoFork only
  std::vector<std::unique_ptr<const Accepted>> every_;
  std::atomic<bool> needs_environment_file_{config_.needs_environment_file};

  std::jthread thread_;  // last: it uses all the others
};

Reception::Reception(Config config, postbox::Tracker& tracker)
    : impl_(std::make_unique<Impl>(std::move(config), tracker)) {}
Reception::~Reception() = default;

Config Reception::config() const { return impl_->in_force(); }

Result<void> Reception::reload() { return impl_->reload(); }

Answer Reception::handle(std::string_view body, std::string_view signature) noexcept {
  return impl_->handle(body, signature);
}

Counts Reception::counts() const noexcept { return impl_->counts(); }

std::map<std::string, std::uint64_t> Reception::unhandled() const { return impl_->unhandled(); }

Result<std::size_t> Reception::forget(std::string_view email) { return impl_->forget(email); }

std::optional<WallTime> Reception::run_once() noexcept { return impl_->run_once(); }

}  // namespace stripe

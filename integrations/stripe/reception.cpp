#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <postbox/json_text.hpp>
#include <set>
#include <stripe/draft.hpp>
#include <stripe/fetch_schedule.hpp>
#include <stripe/live_settings.hpp>
#include <stripe/reception.hpp>
#include <stripe/thin_events.hpp>
#include <stripe/webhook_log.hpp>
#include <thread>
#include <utility>

#include "base/fork_gate.hpp"
#include "base/signals_blocked.hpp"

namespace stripe {
namespace {

using postbox::LogLevel;
using postbox::Result;
using postbox::TrackStatus;
using postbox::WallTime;
using namespace std::chrono_literals;

constexpr std::string_view kCustomer = "customer:";
constexpr std::string_view kThin = "thin:";  // and the id of the event

// Stripe keeps events for 30 days (docs.stripe.com/api/events).
constexpr std::chrono::hours kStripeKeeps{24 * 30};

// Asked for at the same time: far below Stripe's limit of 100 a second, 25 in test mode.
constexpr std::size_t kFetchesAtOnce = 8;

// Before what could not be done is tried again.
constexpr auto kPause = 1s;

using Count = std::atomic<std::uint64_t>;

struct AtomicCounts {
  Count received, refused, unusable, ignored, tracked, disabled, waited, failed;
  Count released, lost, incomplete;
};

}  // namespace

struct Reception::Impl {
  Impl(Config settings, postbox::Tracker& target)
      : config_(std::move(settings)),
        tracker_(target),
        log_(config_.log),
        settings_(config_),
        thin_(config_.http, config_.api_url, config_.ca_file) {
    if (!config_.clock) config_.clock = postbox::system_clock();
    if (!config_.memory) {
      config_.memory = sqlite_memory(memory_path(), config_.memory_limits,
                                     [this](LogLevel, std::string_view line) {
                                       note(Kind::kDamage, line, config_.clock->wall_now());
                                     });
    }
    log_.write(LogLevel::kInfo, "Stripe webhooks start: " + settings_.to_string());
    start_thread();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    is_stopping_ = true;
    thin_.stop();  // and the thread's own destructor wakes it and waits
  }

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
      if (auto done = settings_.reload(log_); !done) return done;
      start_thread();
      wake();
      return {};
    } catch (const std::exception& failure) {  // no thread, or no memory
      return postbox::Error{postbox::ErrorCode::kInternal,
                            std::string("cannot reload: ") + failure.what()};
    }
  }

  [[nodiscard]] Config in_force() const { return settings_.in(config_); }

  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() {
    const std::lock_guard lock(unhandled_mutex_);
    return unhandled_;
  }

  // Constant after construction.
  Config config_;

 private:
  using Kind = WebhookLog::Kind;

  // Without a secret there is nothing to wait for.
  void start_thread() {
    const postbox::NoFork no_fork;
    const std::lock_guard lock(mutex_);
    if (settings_.now().secrets.empty() || !config_.threads || thread_.joinable()) return;
    const postbox::SignalsBlocked blocked;
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  [[nodiscard]] std::string memory_path() const {
    if (config_.memory_path) return *config_.memory_path;
    const auto outbox = tracker_.outbox_file();
    if (!outbox) return "postbox.db-stripe";
    return outbox->empty() ? std::string() : *outbox + "-stripe";
  }

  std::optional<WallTime> step() {
    const bool asks_again = resolve_one(config_.clock->wall_now());
    const auto next_fetch = fetch_thin();
    const WallTime now = config_.clock->wall_now();
    const bool all_done = release({}, now, now);
    if (asks_again) return now;
    const auto next = config_.memory->next_due();
    if (!next) report(next.error().message, now);
    auto due = next.value_or(std::nullopt);
    // A body that could not be tracked is due still: not at once again.
    if (due && !all_done) due = std::max(*due, now + kPause);
    return due && next_fetch ? std::min(*due, *next_fetch) : due ? due : next_fetch;
  }

  struct Outcome {
    Answer answer;
    Count* count;
    std::vector<Fact> facts{};  // what the body has told
  };

  Outcome take(std::string_view body, std::string_view signature) {
    const auto& secrets = settings_.now().secrets;
    if (secrets.empty()) {
      return {{503, "STRIPE_WEBHOOK_SECRET is not set"}, &counts_.failed};
    }
    const WallTime now = config_.clock->wall_now();
    if (body.size() > config_.max_body.count) return refuse("the body is too large", now);
    const Verdict verdict = verify(body, signature, secrets, now, config_.tolerance);
    if (verdict != Verdict::kValid) return refuse(to_string(verdict), now);
    if (postbox::mended_json(body)) {
      note(Kind::kMended, "a body held half a surrogate pair: U+FFFD took its place", now);
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
      if (mapping->is_thin) return take_thin(*mapping, body, now, until);
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

  // It is kept until it is fetched, and refused where it never will be: answered with 200 it would
  // be gone, while Stripe keeps it and shows that something is wrong. With `until`, Stripe has it
  // no longer either.
  Outcome take_thin(const Mapping& mapping, std::string_view body, WallTime now,
                    std::optional<WallTime> until) {
    const std::string what = "a thin event (" + mapping.type + ")";
    if (until) {
      note(Kind::kFailure, what + " could not be fetched from Stripe for 30 days", now);
      return {{400, what}, &counts_.unusable};
    }
    if (settings_.now().api_key.empty()) {
      const std::string why =
          what +
          " names an object and does not have it in it: set STRIPE_API_KEY to a restricted key "
          "that "
          "may read events, or the endpoint's payload style to snapshot in Stripe's dashboard";
      report(why, now);
      return {{400, why}, &counts_.unusable};
    }
    const std::string key = std::string(kThin) + mapping.event_id;
    // The id is not the event's, which the whole one may have and wait under.
    if (!wait({key, std::string(body), key, now + kStripeKeeps}, now)) {
      return {{503, what + " could not be kept"}, &counts_.failed};
    }
    return {{200, "waits for " + key}, &counts_.waited};
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
    log_.write(LogLevel::kWarn, "Stripe webhook: nothing is made of the type " +
                                    type.substr(0, 100) +
                                    ", which is answered with 200; take it from the endpoint");
  }

  MappingOptions options(WallTime now) {
    const auto& settings = settings_.now();
    return {.test_mode = settings.test_mode,
            .reports = settings.reports,
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

  // Asks Stripe for what thin events name. Returns when to ask again.
  std::optional<WallTime> fetch_thin() {
    const auto awaited = config_.memory->awaited();
    if (!awaited) return std::nullopt;  // run_once() reports it
    std::vector<std::string> keys;
    std::ranges::copy_if(*awaited, std::back_inserter(keys), is_thin);
    schedule_.set_waiting(keys);
    const std::string& api_key = settings_.now().api_key;
    if (keys.empty()) return std::nullopt;
    if (api_key.empty()) {
      note(
          Kind::kThin,
          std::to_string(keys.size()) + " thin events wait, and STRIPE_API_KEY is not set any more",
          config_.clock->wall_now());
      return std::nullopt;
    }
    if (std::exchange(used_key_, api_key) != api_key) schedule_.start_over();
    fetch(schedule_.due(kFetchesAtOnce, config_.clock->now()), api_key);
    const auto next = schedule_.next();
    if (!next) return std::nullopt;
    const auto pause = std::chrono::ceil<std::chrono::milliseconds>(*next - config_.clock->now());
    return config_.clock->wall_now() + std::max(pause, std::chrono::milliseconds::zero());
  }

  void fetch(const std::vector<std::string>& keys, const std::string& api_key) {
    std::vector<Fact> wanted;
    for (const std::string& key : keys) wanted.push_back({key, {}});
    if (wanted.empty()) return;
    const auto bodies = config_.memory->ready(wanted, WallTime::min());
    if (!bodies) return report(bodies.error().message, config_.clock->wall_now());
    bool has_come = false;
    bool concerns_all = false;
    for (const ThinAnswer& answer : thin_.fetch(*bodies, api_key)) {
      if (!answer.body.empty()) {
        has_come = true;
        take_fetched(answer);
        continue;
      }
      concerns_all = concerns_all || answer.is_general;
      schedule_.failed(answer.key, config_.clock->now());
      note(Kind::kThin,
           "a thin event cannot be fetched: " + answer.trouble + "; " +
               std::to_string(schedule_.waiting()) + " wait",
           config_.clock->wall_now());
    }
    // Where one comes, what the others suffer is their own: the key may not read their objects.
    if (concerns_all && !has_come) return schedule_.all_failed(config_.clock->now());
    if (has_come && schedule_.all_go_on()) {
      log_.write(LogLevel::kInfo, "Stripe webhook: thin events are fetched again");
    }
  }

  // The whole event may have to wait itself.
  void take_fetched(const ThinAnswer& answer) {
    const WallTime now = config_.clock->wall_now();
    const Outcome outcome = process(answer.body, now, std::nullopt);
    const bool is_done = outcome.count != &counts_.failed && forget(answer.key, now);
    if (!is_done) return schedule_.failed(answer.key, config_.clock->now());
    schedule_.done(answer.key);
    if (!outcome.facts.empty()) release(outcome.facts, WallTime::min(), now);
    if (outcome.count == &counts_.waited) return;
    ++(outcome.count == &counts_.unusable ? counts_.lost : counts_.released);
  }

  static bool is_thin(std::string_view key) { return key.starts_with(kThin); }

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
    note(Kind::kTrouble, result.error().message, now);
    return std::nullopt;
  }

  // False when somebody else has decided otherwise: then the body must be mapped again.
  bool decide(const std::vector<Decision>& decisions, WallTime now) {
    if (decisions.empty()) return true;
    const auto stand = config_.memory->decide(decisions, now, now + config_.remember_for);
    if (!stand) note(Kind::kTrouble, stand.error().message, now);
    return stand.value_or(true);
  }

  // Without its memory a webhook goes on: events then carry Stripe's ids.
  void learn(const std::vector<Fact>& facts, WallTime now) {
    if (facts.empty()) return;
    const auto kept = config_.memory->put(facts, now, now + config_.remember_for);
    if (!kept) note(Kind::kTrouble, kept.error().message, now);
  }

  bool wait(const WaitingBody& body, WallTime now) {
    const auto kept = config_.memory->wait(body);
    if (!kept) note(Kind::kTrouble, kept.error().message, now);
    wake();
    return kept.has_value();
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    wake_.notify_one();
  }

  bool forget(const std::string& event_id, WallTime now) {
    const auto gone = config_.memory->done(event_id);
    if (!gone) note(Kind::kTrouble, gone.error().message, now);
    return gone.value_or(false);
  }

  Outcome refuse(std::string_view why, WallTime now) {
    note(Kind::kRefusal, "refused: " + std::string(why), now);
    return {{400, std::string(why)}, &counts_.refused};
  }

  void report(std::string_view what, WallTime now) { note(Kind::kFailure, what, now); }

  void note(Kind kind, std::string_view what, WallTime now) { log_.write_rarely(kind, what, now); }

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

  WebhookLog log_;
  LiveSettings settings_;
  AtomicCounts counts_;

  // Of run_once() only.
  std::set<std::string> asked_;  // customers whom the resolver was asked for
  FetchSchedule schedule_;
  std::string used_key_;
  ThinEvents thin_;

  std::mutex unhandled_mutex_;
  std::map<std::string, std::uint64_t> unhandled_;  // guarded by unhandled_mutex_

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool is_woken_ = false;  // guarded by mutex_

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

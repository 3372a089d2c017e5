#include <algorithm>
#include <chrono>
#include <postbox/json_text.hpp>
#include <stripe/body_handler.hpp>
#include <stripe/deferred_bodies.hpp>
#include <stripe/draft.hpp>
#include <stripe/encrypted_fact_store.hpp>
#include <stripe/live_settings.hpp>
#include <stripe/reception.hpp>
#include <stripe/webhook_parts.hpp>
#include <utility>

#include "base/logger.hpp"
#include "base/worker.hpp"

namespace stripe {
namespace {

using postbox::LogLevel;
using postbox::Result;
using postbox::SteadyTime;
using postbox::WallTime;
using Kind = WebhookLog::Kind;
using namespace std::chrono_literals;

// Before a step that an exception has ended is tried again.
constexpr auto kPause = 1s;
constexpr auto kBetweenExpiries = 1h;

// The longest and the shortest wait between two steps: other processes may have let bodies wait,
// and a clock that is set must not make the thread spin.
constexpr std::chrono::milliseconds kLongestWait = 60s;
constexpr std::chrono::milliseconds kShortestWait = 1ms;

Config with_clock(Config config) {
  if (!config.clock) config.clock = postbox::system_clock();
  return config;
}

// Not the logger: a child of fork() shares the store, and would find the logger's lock taken.
postbox::LogSink damage_log(postbox::LogSink sink) {
  return [sink = std::move(sink)](LogLevel level, std::string_view line) noexcept {
    try {
      if (sink) sink(level, "Stripe webhook: " + std::string(line));
    } catch (...) {
      // Nobody is left to be told.
    }
  };
}

}  // namespace

struct Reception::Impl {
  Impl(Config settings, postbox::Tracker& target)
      : config_(with_clock(std::move(settings))),
        tracker_(target),
        logger_(config_.log, LogLevel::kDebug, config_.clock),
        settings_(config_) {
    if (!config_.fact_store) {
      warn_of_a_file_of_its_own();
      config_.fact_store =
          sqlite_fact_store(fact_store_path(), config_.fact_store_limits, damage_log(config_.log));
    }
    plain_store_ = config_.fact_store;
    config_.fact_store =
        std::make_shared<EncryptedFactStore>(plain_store_, tracker_.encryption_keys());
    log_.write(LogLevel::kInfo, "Stripe webhooks start: " + settings_.to_string());
    start_worker();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    deferred_.stop();
    worker_.request_stop();
    (void)worker_.join_until(SteadyTime::max());
    logger_.report_repeats(true);
  }

  Answer handle(std::string_view body, std::string_view signature) noexcept {
    ++counts_.received;
    try {
      Handled handled = check_and_handle(body, signature);
      ++count_of(handled.fate);
      return std::move(handled.answer);
    } catch (...) {  // out of memory, or the host's fact store
      ++counts_.failed;
      return {503, "an exception"};
    }
  }

  // On the worker's thread an exception would end the program.
  std::optional<WallTime> run_once() noexcept {
    logger_.report_repeats(false);
    try {
      expire_facts();
      return deferred_.run_once();
    } catch (...) {
      return config_.clock->wall_now() + kPause;
    }
  }

  Result<std::size_t> forget(std::string_view email) {
    try {
      const std::string address = usable_email(email);
      return address.empty() ? Result<std::size_t>(0) : config_.fact_store->forget(address);
    } catch (...) {
      return postbox::Error{postbox::ErrorCode::kInternal, "an exception"};
    }
  }

  [[nodiscard]] Counts counts() const noexcept { return counts_.values(deferred_.waiting()); }

  Result<void> reload() {
    try {
      if (auto done = settings_.reload(log_); !done) return done;
      start_worker();
      worker_.wake();
      return {};
    } catch (const std::exception& failure) {  // no thread, or no memory
      return postbox::Error{postbox::ErrorCode::kInternal,
                            std::string("cannot reload: ") + failure.what()};
    }
  }

  [[nodiscard]] Config config_in_force() const {
    Config config = settings_.applied_to(config_);
    config.fact_store = plain_store_;  // who takes it over seals it, once
    return config;
  }

  [[nodiscard]] std::map<std::string, std::uint64_t> unhandled() const {
    return handler_.unhandled();
  }

 private:
  [[nodiscard]] std::string fact_store_path() const {
    if (config_.fact_store_path) return *config_.fact_store_path;
    const auto outbox = tracker_.outbox_file();
    if (!outbox) return "postbox.db-stripe";
    return outbox->empty() ? std::string() : *outbox + "-stripe";
  }

  // Events would go to Stripe's ids, and wait for what another server was told.
  void warn_of_a_file_of_its_own() {
    if (!tracker_.outbox_is_shared() || config_.fact_store_path) return;
    if (settings_.now().secrets.empty()) return;
    log_.write(LogLevel::kWarn,
               "Stripe webhook: what webhooks tell is kept in a file of this server, and servers "
               "share the outbox: set stripe::Config::fact_store to a store that they share, as "
               "stripe::postgres_fact_store() returns, or fact_store_path where one server alone "
               "gets all webhooks");
  }

  // Without a secret no body is accepted, and none can wait.
  void start_worker() {
    if (settings_.now().secrets.empty() || !config_.threads) return;
    worker_.start({[this](bool is_stopping) {
      return is_stopping ? std::nullopt : std::optional(take_step());
    }});
  }

  // Also where no webhook comes any more.
  void expire_facts() {
    const SteadyTime now = config_.clock->now();
    if (now < next_expiry_) return;
    next_expiry_ = now + kBetweenExpiries;
    const auto removed = config_.fact_store->expire(config_.clock->wall_now());
    if (!removed) log_.write_kind(Kind::kStore, removed.error().message);
  }

  // Returns when to take the next one, by the machine's clock.
  SteadyTime take_step() noexcept {
    const auto due = run_once();
    const auto wait = due ? std::clamp<std::chrono::milliseconds>(*due - config_.clock->wall_now(),
                                                                  kShortestWait, kLongestWait)
                          : kLongestWait;
    return std::chrono::steady_clock::now() + wait;
  }

  Handled check_and_handle(std::string_view body, std::string_view signature) {
    const auto& secrets = settings_.now().secrets;
    if (secrets.empty()) return {Fate::kFailed, {503, "STRIPE_WEBHOOK_SECRET is not set"}};
    const WallTime now = config_.clock->wall_now();
    if (body.size() > config_.max_body.count) return refuse("the body is too large");
    const SignatureCheck check = verify(body, signature, secrets, now, config_.tolerance);
    if (check != SignatureCheck::kValid) return refuse(to_string(check));
    if (postbox::mended_json(body)) {
      log_.write_kind(Kind::kMended, "a body held half a surrogate pair: U+FFFD took its place");
    }
    Handled handled = handler_.handle(body, now, std::nullopt);
    deferred_.release_after(handled, now);
    return handled;
  }

  Handled refuse(std::string_view why) {
    log_.write_kind(Kind::kRefusal, "refused: " + std::string(why));
    return {Fate::kRefused, {400, std::string(why)}};
  }

  LiveCounts::Count& count_of(Fate fate) noexcept {
    switch (fate) {
      case Fate::kRefused:
        return counts_.refused;
      case Fate::kUnusable:
        return counts_.unusable;
      case Fate::kIgnored:
        return counts_.ignored;
      case Fate::kTracked:
        return counts_.tracked;
      case Fate::kDisabled:
        return counts_.disabled;
      case Fate::kWaiting:
        return counts_.waited;
      case Fate::kFailed:
        break;
    }
    return counts_.failed;
  }

  // Constant after construction.
  Config config_;
  std::shared_ptr<FactStore> plain_store_;

  postbox::Tracker& tracker_;
  postbox::Logger logger_;
  WebhookLog log_{logger_};
  LiveSettings settings_;
  LiveCounts counts_;
  BodyHandler handler_{{config_, settings_, tracker_, log_, counts_, worker_}};
  DeferredBodies deferred_{{config_, settings_, tracker_, log_, counts_, worker_}, handler_};
  SteadyTime next_expiry_ = SteadyTime::min();  // used by run_once() alone
  postbox::Worker worker_;                      // last: its job uses all the others
};

Reception::Reception(Config config, postbox::Tracker& tracker)
    : impl_(std::make_unique<Impl>(std::move(config), tracker)) {}
Reception::~Reception() = default;

Config Reception::config_in_force() const { return impl_->config_in_force(); }

Result<void> Reception::reload() { return impl_->reload(); }

Answer Reception::handle(std::string_view body, std::string_view signature) noexcept {
  return impl_->handle(body, signature);
}

Counts Reception::counts() const noexcept { return impl_->counts(); }

std::map<std::string, std::uint64_t> Reception::unhandled() const { return impl_->unhandled(); }

Result<std::size_t> Reception::forget(std::string_view email) { return impl_->forget(email); }

std::optional<WallTime> Reception::run_once() noexcept { return impl_->run_once(); }

}  // namespace stripe

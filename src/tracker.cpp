// A tracker is the handle to a pipeline of an engine. In the child of a fork() it is a handle to
// nothing there: the parent's threads do not run, its locks may be taken forever, and its
// connections are the parent's. So nothing of the parent's is used but what is constant or atomic;
// a child engine made from the same parts takes its place. This file alone knows of that.
#include <postbox/event_draft.hpp>
#include <postbox/operator.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <postbox/tracker.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "base/counters.hpp"
#include "base/encryption_keys.hpp"
#include "base/fork_gate.hpp"
#include "base/mutex.hpp"
#include "encrypted_outbox.hpp"
#include "engine.hpp"
#include "pipeline.hpp"
#include "sqlite/locks.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;

Error closed() {
  return {ErrorCode::kClosed,
          "the tracker belongs to the process that this one was forked from, or was moved away"};
}

Error cannot_start_in_child(const char* what) {
  return {ErrorCode::kClosed,
          std::string("this process was forked while ") + what + ", and cannot use " +
              "it: start a tracker in the parent, or begin a process anew (exec)"};
}

// Taken inside NoFork only, so that no child inherits it taken.
Mutex& starting_in_child() {
  static Mutex mutex;
  return mutex;
}

bool are_alike(const HttpOptions& a, const HttpOptions& b) {
  return a.connect_timeout == b.connect_timeout && a.total_timeout == b.total_timeout &&
         a.max_response == b.max_response && a.user_agent == b.user_agent &&
         a.ca_file == b.ca_file && a.http2 == b.http2 && a.host_owns_curl == b.host_owns_curl;
}

Error invalid(std::string message) { return {ErrorCode::kInvalidConfig, std::move(message)}; }

Result<void> check(const std::vector<Account>& accounts, const Services& shared) {
  if (accounts.empty()) return invalid("there is no account to start");
  for (const Account& account : accounts) {
    if (!account.integration.destination) return invalid("Integration::destination is not set");
    if (!are_alike(account.config->http, accounts.front().config->http) && !shared.http) {
      return invalid(
          "the accounts of one engine share its connections, and differ in "
          "Config::http: give all of them the same POSTBOX_CA_FILE and timeouts");
    }
  }
  if (shared.outbox && accounts.size() > 1) {
    return invalid("Services::outbox is for one account: each has its own");
  }
  return {};
}

// Each account's own, in their order. An event of one must never be sent with the key of another.
Result<std::vector<std::shared_ptr<Outbox>>> open_outboxes(const std::vector<Account>& accounts,
                                                           const Services& services) {
  std::vector<std::shared_ptr<Outbox>> outboxes;
  std::vector<std::string> files;
  std::vector<std::string> spills;
  for (const Account& account : accounts) {
    const OutboxOptions& options = account.config->outbox;
    auto opened = services.outbox
                      ? Result(encrypted(services.outbox, cipher_of(options.encryption_keys)))
                      : open_outbox(options, services.clock);
    if (!opened) return opened.error();
    const std::string file = (*opened)->file().value_or("");
    if (!file.empty() && std::ranges::find(files, file) != files.end()) {
      return invalid("two accounts have the outbox " + file +
                     ": give each a POSTBOX_OUTBOX of its own, or events of one would be sent to "
                     "the other");
    }
    if (!options.spill.empty() && std::ranges::find(spills, options.spill) != spills.end()) {
      return invalid("two accounts have the POSTBOX_SPILL " + options.spill +
                     ": give each one of its own, or events of one would be sent to the other");
    }
    files.push_back(file);
    spills.push_back(options.spill);
    outboxes.push_back(*std::move(opened));
  }
  return outboxes;
}

}  // namespace

struct Tracker::Impl {
  Impl(std::shared_ptr<Engine> own, Pipeline& of, Services as_given)
      : engine(std::move(own)), pipeline(of), given(std::move(as_given)) {}

  const std::shared_ptr<Engine> engine;
  Pipeline& pipeline;
  const Services given;  // what a child engine is made from, too

  Mutex stop_mutex;  // one stop() at a time; the second finds the first one's report
  std::optional<StopReport> stopped POSTBOX_GUARDED_BY(stop_mutex);

  const std::uint64_t process = fork_generation();
  std::atomic<Tracker*> child{nullptr};  // this process's; never destroyed before this is
  std::atomic<bool> closed_in_child{false};
  Counters::Count turned_away{0};  // events that were offered to it in a child
  Impl* next_left = nullptr;
  static inline std::atomic<Impl*> first_left{nullptr};

  [[nodiscard]] bool is_foreign() const noexcept { return process != fork_generation(); }
  [[nodiscard]] Impl* in_child();
  StopReport stop_in_child(milliseconds deadline);
  static void detach(Impl* foreign) noexcept;
};

Result<std::vector<Tracker>> Tracker::start_all(std::vector<Account> accounts, Services shared) {
  if (auto ok = check(accounts, shared); !ok) return ok.error();
  if (!forked_at_rest()) {
    return cannot_start_in_child("the outbox or the network was in use");
  }
  try {
    const NoFork no_fork;
    if (!shared.outbox && (!forked_at_rest() || !sqlite_locks_are_free())) {
      return cannot_start_in_child("the host used SQLite");
    }
    const Services given = shared;
    if (!shared.clock) shared.clock = system_clock();
    if (!shared.random) shared.random = system_random();
    auto outboxes = open_outboxes(accounts, shared);
    if (!outboxes) return outboxes.error();
    if (!shared.http) {
      auto http = curl_http_client(accounts.front().config->http);
      if (!http) return http.error();
      shared.http = *std::move(http);
    }
    const auto engine = std::make_shared<Engine>(std::move(shared));
    std::vector<Tracker> trackers;
    for (std::size_t i = 0; i < accounts.size(); ++i) {
      Pipeline& pipeline = engine->add(accounts[i].config, std::move(accounts[i].integration),
                                       std::move((*outboxes)[i]));
      trackers.push_back(Tracker(new Impl(engine, pipeline, given)));
    }
    Engine::launch(engine);
    return trackers;
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("cannot start: ") + failure.what()};
  }
}

Result<std::vector<Tracker>> Tracker::start_all(std::vector<Account> accounts) {
  return start_all(std::move(accounts), Services{});
}

Result<Tracker> Tracker::start(const ValidConfig& config, Integration integration) {
  return start(config, std::move(integration), Services{});
}

Result<Tracker> Tracker::start(const ValidConfig& config, Integration integration,
                               Services services) {
  auto started = start_all({{config, std::move(integration)}}, std::move(services));
  if (!started) return started.error();
  return std::move(started->front());
}

Tracker::Tracker(Impl* own) : impl_(own) {}
Tracker::Tracker(Tracker&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}

Tracker& Tracker::operator=(Tracker&& other) noexcept {
  if (this != &other) {
    end();
    impl_ = std::exchange(other.impl_, nullptr);
  }
  return *this;
}

Tracker::~Tracker() { end(); }

void Tracker::end() noexcept {
  if (impl_ == nullptr) return;
  stop(impl_->pipeline.config()->stop_timeout);
  Impl* const ended = std::exchange(impl_, nullptr);
  if (ended->is_foreign()) {
    Impl::detach(ended);
  } else {
    delete ended;
  }
}

// Null, too, in a tracker that was moved from.
Tracker::Impl* Tracker::here() const {
  return impl_ != nullptr && impl_->is_foreign() ? impl_->in_child() : impl_;
}

// The parent's engine is left in the child as it is, never destroyed: its mutexes may be taken, its
// threads are gone, and its connections are the parent's.
//
// Starts the child engine at the first call in the child. Returns null when calls are to be
// answered with kClosed.
Tracker::Impl* Tracker::Impl::in_child() try {
  if (Tracker* const found = child.load()) return found->here();
  if (closed_in_child.load() || !forked_at_rest()) return nullptr;
  const NoFork no_fork;
  if (!forked_at_rest()) return nullptr;  // the host was in the middle of a call of SQLite
  const MutexLock lock(starting_in_child());
  if (Tracker* const found = child.load()) return found->here();
  if (closed_in_child.load()) return nullptr;
  Integration integration = pipeline.integration();
  for (auto& [queue, flag] : integration.flags) flag = pipeline.flags().get(queue);
  // Their connections to somewhere would be shared with the parent.
  const bool has_own_connections = given.outbox || given.http;
  auto started =
      has_own_connections ? closed() : start(pipeline.config(), std::move(integration), given);
  if (!started) {
    closed_in_child.store(true);
    return nullptr;
  }
  started->impl_->pipeline.set_log_level(pipeline.log_level());
  child.store(new Tracker(*std::move(started)));
  return child.load()->here();
} catch (const std::exception&) {  // without memory
  return nullptr;
}

// Does not start a child engine only to stop it.
StopReport Tracker::Impl::stop_in_child(milliseconds deadline) {
  closed_in_child.store(true);
  Tracker* const found = child.load();
  return found != nullptr ? found->stop(deadline) : StopReport{};
}

// Never destroyed, for that would close what is the parent's. The list is there for leak checkers.
void Tracker::Impl::detach(Impl* foreign) noexcept {
  delete foreign->child.exchange(nullptr);
  foreign->next_left = first_left.load();
  while (!first_left.compare_exchange_weak(foreign->next_left, foreign)) {
  }
}

StopReport Tracker::stop(milliseconds deadline) {
  if (impl_ == nullptr) return {};
  if (impl_->is_foreign()) return impl_->stop_in_child(deadline);
  const MutexLock lock(impl_->stop_mutex);
  if (!impl_->stopped) impl_->stopped = impl_->engine->stop(impl_->pipeline, deadline);
  return *impl_->stopped;
}

TrackResult Tracker::turn_away(const EventView& event) const {
  if (impl_ != nullptr) add(impl_->turned_away, event.size(event.event));
  return TrackResult(TrackStatus::kClosed);
}

TrackResult Tracker::offer(const EventView& event) {
  Impl* const impl = here();
  return impl != nullptr ? impl->pipeline.offer(event) : turn_away(event);
}

TrackResult Tracker::offer_durably(const EventView& event, milliseconds deadline) {
  Impl* const impl = here();
  return impl != nullptr ? impl->pipeline.offer_durably(event, deadline) : turn_away(event);
}

EventDraft Tracker::draft(const EventView& event) {
  Impl* const impl = here();
  return impl != nullptr ? impl->pipeline.draft(event) : EventDraft{turn_away(event)};
}

void Tracker::look() noexcept {
  if (Impl* const impl = here()) impl->pipeline.look();
}

bool Tracker::flush(milliseconds deadline) {
  Impl* const impl = here();
  return impl == nullptr || impl->pipeline.flush(deadline);
}

SteadyTime Tracker::run_once() {
  Impl* const impl = here();
  return impl != nullptr ? impl->pipeline.run_once() : SteadyTime::max();
}

Stats Tracker::stats() const {
  if (Impl* const impl = here()) return impl->pipeline.stats();
  Stats stats;
  stats.complete = false;
  if (impl_ != nullptr) stats.offered = stats.closed = impl_->turned_away.load();
  return stats;
}

Metrics Tracker::metrics() const {
  if (Impl* const impl = here()) return impl->pipeline.metrics();
  Metrics metrics;
  metrics.totals = stats();
  return metrics;
}

template <class Answer, class Ask>
Answer Tracker::ask(Ask question) const {
  Impl* const impl = here();
  return impl != nullptr ? question(impl->pipeline) : Answer(closed());
}

Result<void> Tracker::reload() {
  return ask<Result<void>>([](Pipeline& pipeline) { return pipeline.reload(); });
}

Result<std::vector<TypedDeadLetter>> Tracker::dead_letters(const DeadLetterQuery& query,
                                                           EventHandle after,
                                                           std::size_t max) const {
  return ask<Result<std::vector<TypedDeadLetter>>>([&](const Pipeline& pipeline) {
    return pipeline.outbox_reader().dead_letters(query, after, max);
  });
}

Result<std::size_t> Tracker::replay(const DeadLetterQuery& query) {
  return replay(query, ReplayOptions{});
}

Result<std::size_t> Tracker::replay(const DeadLetterQuery& query, const ReplayOptions& options) {
  return ask<Result<std::size_t>>([&](Pipeline& pipeline) {
    return pipeline.change([&](Operator& people) { return people.replay(query, options); });
  });
}

Result<std::size_t> Tracker::purge(const DeadLetterQuery& query) {
  return ask<Result<std::size_t>>([&](Pipeline& pipeline) {
    return pipeline.change([&](Operator& people) { return people.purge(query); });
  });
}

Result<std::vector<TypedHeldEvent>> Tracker::held_events(const HeldQuery& query, EventHandle after,
                                                         std::size_t max) const {
  return ask<Result<std::vector<TypedHeldEvent>>>([&](const Pipeline& pipeline) {
    return pipeline.outbox_reader().held_events(query, after, max);
  });
}

Result<std::size_t> Tracker::purge_held(const HeldQuery& query) {
  return ask<Result<std::size_t>>([&](Pipeline& pipeline) {
    return pipeline.change([&](Operator& people) { return people.purge_held(query); });
  });
}

Result<std::size_t> Tracker::send_held(const HeldQuery& query, std::size_t max) {
  return ask<Result<std::size_t>>(
      [&](Pipeline& pipeline) { return pipeline.send_held(query, max); });
}

Result<std::size_t> Tracker::forget(const Key& profile) {
  return ask<Result<std::size_t>>([&](Pipeline& pipeline) {
    return pipeline.change([&](Operator& people) { return people.forget(profile); });
  });
}

Result<std::string> Tracker::keep(std::string_view name, std::string_view text) const {
  return ask<Result<std::string>>(
      [&](const Pipeline& pipeline) { return pipeline.keep(name, text); });
}

Result<std::string> Tracker::exchange(std::string_view name, std::string_view text) const {
  return ask<Result<std::string>>(
      [&](const Pipeline& pipeline) { return pipeline.exchange(name, text); });
}

const EventContext* Tracker::context() const noexcept {
  const Impl* const impl = here();
  return impl != nullptr ? impl->pipeline.integration().context.get() : nullptr;
}

bool Tracker::is_ready() const noexcept {
  const Impl* const impl = here();
  return impl != nullptr && impl->pipeline.integration().destination->ready();
}

std::optional<std::string> Tracker::outbox_file() const {
  return impl_ != nullptr ? impl_->pipeline.outbox_file() : std::nullopt;
}

bool Tracker::outbox_is_shared() const {
  return impl_ != nullptr && impl_->pipeline.outbox_is_shared();
}

std::vector<std::string> Tracker::encryption_keys() const {
  if (impl_ == nullptr) return {};
  return impl_->pipeline.config()->outbox.encryption_keys;
}

}  // namespace postbox

#include <algorithm>
#include <initializer_list>
#include <stripe/deferred_bodies.hpp>
#include <utility>

namespace stripe {
namespace {

using postbox::LogLevel;
using postbox::WallTime;
using Kind = WebhookLog::Kind;
using namespace std::chrono_literals;

// Requests to Stripe at the same time: far below its limit of 100 a second, 25 in test mode.
constexpr std::size_t kFetchesAtOnce = 8;

// Before a body that could not be tracked is tried again.
constexpr auto kPause = 1s;

// Between two looks at a store that servers share, for bodies of one that is gone: one question
// while nothing waits. Who is told a fact sees the bodies of all at once, and who has let one wait
// knows when its time comes.
constexpr auto kBetweenLooks = 15s;

// After which a body whose time has come is another server's, when this one has not tracked it.
constexpr auto kUntilGivenUp = 10s;

bool is_customer(std::string_view key) { return key.starts_with(kCustomerKey); }
bool is_thin(std::string_view key) { return key.starts_with(kThinKey); }

std::optional<WallTime> earliest(std::initializer_list<std::optional<WallTime>> times) {
  std::optional<WallTime> first;
  for (const auto& time : times) {
    if (time && (!first || *time < *first)) first = time;
  }
  return first;
}

}  // namespace

DeferredBodies::DeferredBodies(const WebhookParts& parts, BodyHandler& handler)
    : parts_(parts),
      handler_(handler),
      thin_(parts.config.http, parts.config.api_url, parts.config.ca_file) {}

void DeferredBodies::stop() noexcept {
  is_stopping_ = true;
  thin_.stop();
}

std::uint64_t DeferredBodies::waiting() const noexcept {
  try {
    const auto awaited = parts_.config.fact_store->awaited_keys();
    return awaited ? awaited->size() : 0;
  } catch (...) {
    return 0;
  }
}

std::optional<WallTime> DeferredBodies::run_once() {
  const postbox::Clock& clock = *parts_.config.clock;
  const std::optional<WallTime> look = parts_.config.fact_store->is_shared()
                                           ? std::optional(clock.wall_now() + kBetweenLooks)
                                           : std::nullopt;
  const auto awaited = parts_.config.fact_store->awaited_keys();
  if (!awaited) {
    parts_.log.write_kind(Kind::kUntracked, awaited.error().message);
    return look;
  }
  const bool asks_again = resolve_one(*awaited, clock.wall_now());
  const auto next_fetch = fetch_thin(*awaited);
  if (awaited->empty()) return look;
  const WallTime now = clock.wall_now();
  auto due = next_due();
  if (due && *due <= now) {
    const bool all_done = release({}, now, now);
    due = next_due();
    // A body that could not be tracked is still due: not again at once.
    if (due && !all_done) due = std::max(*due, now + kPause);
  }
  if (asks_again) return now;
  return earliest({due, next_fetch, look});
}

std::optional<WallTime> DeferredBodies::next_due() {
  const auto next = parts_.config.fact_store->next_due();
  if (!next) parts_.log.write_kind(Kind::kUntracked, next.error().message);
  return next.value_or(std::nullopt);
}

// The worker takes the bodies whose time has come: Stripe waits for an answer.
void DeferredBodies::release_after(const Handled& handled, WallTime now) {
  if (!handled.facts.empty()) release(handled.facts, WallTime::min(), now);
  if (!handled.met.empty()) release(handled.met, WallTime::min(), now);
}

bool DeferredBodies::release(const std::vector<Fact>& facts, WallTime due, WallTime now) {
  const auto bodies = parts_.config.fact_store->ready_bodies(facts, due);
  if (!bodies) {
    parts_.log.write_kind(Kind::kUntracked, bodies.error().message);
    return false;
  }
  bool all_done = true;
  for (const WaitingBody& waiting : *bodies) {
    if (is_stopping_) return false;
    if (is_locked(waiting)) {
      all_done = false;
      continue;
    }
    const auto is_ours = waiting.until <= due ? take(waiting, now) : true;
    if (is_ours == false) continue;
    all_done = is_ours && handle_again(waiting, now) && all_done;
  }
  return all_done;
}

// Each server that shares the store sees its time come. Nothing when the store does not say.
std::optional<bool> DeferredBodies::take(const WaitingBody& waiting, WallTime now) {
  const auto taken = parts_.config.fact_store->put_off_body(waiting, now + kUntilGivenUp);
  if (taken) return *taken;
  parts_.log.write_kind(Kind::kStore, taken.error().message);
  return std::nullopt;
}

// False when it must be tried again.
bool DeferredBodies::handle_again(const WaitingBody& waiting, WallTime now) {
  const Handled handled = handler_.handle(waiting.body, now, waiting.until);
  if (handled.fate == Fate::kFailed) return false;
  if (handled.fate == Fate::kWaiting)
    return handled.met.empty() || release(handled.met, WallTime::min(), now);
  if (remove_body(waiting.event_id)) count_end(handled);
  return true;
}

bool DeferredBodies::is_locked(const WaitingBody& waiting) {
  if (!waiting.is_locked) return false;
  parts_.log.write_kind(Kind::kStore,
                        "a webhook that waits is encrypted with a key that is not set: put it "
                        "behind the first one in POSTBOX_ENCRYPTION_KEY and restart");
  return true;
}

// Another process may have removed it: then it has counted it, too.
bool DeferredBodies::remove_body(const std::string& event_id) {
  const auto gone = parts_.config.fact_store->remove_body(event_id);
  if (!gone) parts_.log.write_kind(Kind::kStore, gone.error().message);
  return gone.value_or(false);
}

void DeferredBodies::count_end(const Handled& handled) {
  LiveCounts& counts = parts_.counts;
  ++(handled.fate == Fate::kUnusable ? counts.lost : counts.released);
}

// Fetches the thin events that are due. Returns when to fetch again.
std::optional<WallTime> DeferredBodies::fetch_thin(const std::vector<std::string>& awaited) {
  const postbox::Clock& clock = *parts_.config.clock;
  std::vector<std::string> keys;
  std::ranges::copy_if(awaited, std::back_inserter(keys), is_thin);
  schedule_.set_waiting(keys);
  const std::string& api_key = parts_.settings.now().api_key;
  if (keys.empty()) return std::nullopt;
  if (api_key.empty()) {
    parts_.log.write_kind(Kind::kThin,
                          std::to_string(keys.size()) +
                              " thin events are waiting, and STRIPE_API_KEY is no longer set");
    return std::nullopt;
  }
  if (std::exchange(used_key_, api_key) != api_key) schedule_.start_over();
  fetch(schedule_.due_keys(kFetchesAtOnce, clock.now()), api_key);
  const auto next = schedule_.next_due();
  if (!next) return std::nullopt;
  const auto pause = std::chrono::ceil<std::chrono::milliseconds>(*next - clock.now());
  return clock.wall_now() + std::max(pause, std::chrono::milliseconds::zero());
}

void DeferredBodies::fetch(const std::vector<std::string>& keys, const std::string& api_key) {
  if (keys.empty()) return;
  std::vector<Fact> wanted;
  for (const std::string& key : keys) wanted.push_back({key, {}});
  auto bodies = parts_.config.fact_store->ready_bodies(wanted, WallTime::min());
  if (!bodies) {
    return parts_.log.write_kind(Kind::kUntracked, bodies.error().message);
  }
  std::erase_if(*bodies, [this](const WaitingBody& waiting) { return is_locked(waiting); });
  bool has_come = false;
  bool concerns_all = false;
  for (const ThinAnswer& answer : thin_.fetch(*bodies, api_key)) {
    if (answer.body.empty()) {
      concerns_all = concerns_all || answer.is_general;
      put_off(answer);
    } else {
      has_come = true;
      handle_fetched(answer);
    }
  }
  // When one was fetched, the failures are the others' own: the key may not read their objects.
  if (concerns_all && !has_come) return schedule_.record_common_failure(parts_.config.clock->now());
  if (has_come && schedule_.resume_all()) {
    parts_.log.write(LogLevel::kInfo, "Stripe webhook: thin events are fetched again");
  }
}

void DeferredBodies::put_off(const ThinAnswer& answer) {
  schedule_.record_failure(answer.key, parts_.config.clock->now());
  parts_.log.write_kind(Kind::kThin, "a thin event cannot be fetched: " + answer.trouble + "; " +
                                         std::to_string(schedule_.waiting()) + " are waiting");
}

// The whole event is handled as one that has just come, and may have to wait itself, under its own
// id. The thin one leaves only after that.
void DeferredBodies::handle_fetched(const ThinAnswer& answer) {
  const WallTime now = parts_.config.clock->wall_now();
  const Handled handled = handler_.handle(answer.body, now, std::nullopt);
  const bool is_done = handled.fate != Fate::kFailed && remove_body(answer.key);
  if (!is_done) return schedule_.record_failure(answer.key, parts_.config.clock->now());
  schedule_.remove(answer.key);
  release_after(handled, now);
  if (handled.fate != Fate::kWaiting) count_end(handled);
}

// Asks the resolver for one of the customers whom bodies wait for: between two answers the bodies
// whose time comes are tracked. False when there is no customer left to ask for.
bool DeferredBodies::resolve_one(const std::vector<std::string>& awaited, WallTime now) {
  if (!parts_.config.resolver) return false;
  std::set<std::string> asked;
  std::string next;
  for (const std::string& key : awaited) {
    if (asked_.contains(key)) asked.insert(key);
    if (next.empty() && is_customer(key) && !asked_.contains(key)) next = key;
  }
  asked_ = std::move(asked);  // a customer whom no body waits for may be asked for again
  if (next.empty()) return false;
  asked_.insert(next);
  if (const auto email = ask_resolver(next)) {
    const std::vector<Fact> facts = {{next, *email, now}};
    if (handler_.store_facts(facts, now)) {
      release(facts, WallTime::min(), now);
    } else {
      asked_.erase(next);
    }
  }
  return true;
}

std::optional<std::string> DeferredBodies::ask_resolver(std::string_view key) {
  const std::string_view id = key.substr(kCustomerKey.size());
  const std::size_t colon = id.find(':');
  const bool has_account = colon != std::string_view::npos;
  try {
    return parts_.config.resolver(has_account ? id.substr(colon + 1) : id,
                                  has_account ? id.substr(0, colon) : std::string_view());
  } catch (...) {
    parts_.log.write_kind(Kind::kUntracked, "the resolver threw an exception");
    return std::nullopt;
  }
}

}  // namespace stripe

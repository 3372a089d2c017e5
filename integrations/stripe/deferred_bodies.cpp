#include <algorithm>
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

bool is_customer(std::string_view key) { return key.starts_with(kCustomerKey); }
bool is_thin(std::string_view key) { return key.starts_with(kThinKey); }

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
  const bool asks_again = resolve_one(clock.wall_now());
  const auto next_fetch = fetch_thin();
  const WallTime now = clock.wall_now();
  const bool all_done = release({}, now, now);
  if (asks_again) return now;
  const auto next = parts_.config.fact_store->next_due();
  if (!next) parts_.log.write_kind(Kind::kUntracked, next.error().message);
  auto due = next.value_or(std::nullopt);
  // A body that could not be tracked is still due: not again at once.
  if (due && !all_done) due = std::max(*due, now + kPause);
  return due && next_fetch ? std::min(*due, *next_fetch) : due ? due : next_fetch;
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
    const Handled handled = handler_.handle(waiting.body, now, waiting.until);
    if (handled.fate == Fate::kFailed) {
      all_done = false;
    } else if (handled.fate != Fate::kWaiting && remove_body(waiting.event_id)) {
      count_end(handled);
    }
  }
  return all_done;
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
std::optional<WallTime> DeferredBodies::fetch_thin() {
  const postbox::Clock& clock = *parts_.config.clock;
  const auto awaited = parts_.config.fact_store->awaited_keys();
  if (!awaited) return std::nullopt;  // run_once() reports it
  std::vector<std::string> keys;
  std::ranges::copy_if(*awaited, std::back_inserter(keys), is_thin);
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
  if (!handled.facts.empty()) release(handled.facts, WallTime::min(), now);
  if (handled.fate != Fate::kWaiting) count_end(handled);
}

// Asks the resolver for one of the customers whom bodies wait for: between two answers the bodies
// whose time comes are tracked. False when there is no customer left to ask for.
bool DeferredBodies::resolve_one(WallTime now) {
  if (!parts_.config.resolver) return false;
  const auto awaited = parts_.config.fact_store->awaited_keys();
  if (!awaited) return false;  // run_once() reports it
  std::set<std::string> asked;
  std::string next;
  for (const std::string& key : *awaited) {
    if (asked_.contains(key)) asked.insert(key);
    if (next.empty() && is_customer(key) && !asked_.contains(key)) next = key;
  }
  asked_ = std::move(asked);  // a customer whom no body waits for may be asked for again
  if (next.empty()) return false;
  asked_.insert(next);
  if (const auto email = ask_resolver(next)) {
    const std::vector<Fact> facts = {{next, *email, now}};
    handler_.store_facts(facts, now);
    release(facts, WallTime::min(), now);
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

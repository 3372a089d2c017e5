#include <algorithm>
#include <stdexcept>
#include <stripe/body_handler.hpp>
#include <utility>

#include "base/worker.hpp"

namespace stripe {
namespace {

using postbox::Error;
using postbox::LogLevel;
using postbox::Result;
using postbox::TrackStatus;
using postbox::WallTime;
using Kind = WebhookLog::Kind;

// Stripe keeps events for 30 days (docs.stripe.com/api/events).
constexpr std::chrono::hours kStripeKeeps{24 * 30};

// A purchase matters to a Checkout of the same person that was open then, which ends within a day,
// and whose end may be told as long as Stripe keeps it.
constexpr std::chrono::milliseconds kPurchaseMemory = kStripeKeeps + std::chrono::hours(24 * 5);

std::vector<postbox::Violation> violations_of(const Mapping& mapping, WallTime now) {
  postbox::EventBatch batch(now);
  for (const Event& event : mapping.events) {
    std::visit([&](const auto& typed) { typed.encode(batch); }, event);
  }
  return std::move(batch.violations());
}

// The store cannot be used, and the body is to be handled again.
struct StoreAway : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Handled ignore(Mapping mapping) {
  return {Fate::kIgnored, {200, "ignored: " + mapping.ignored}, std::move(mapping.facts)};
}

}  // namespace

// The order of the steps is what makes a repeated delivery harmless: facts first, for others wait
// for them; then decisions, which must be on disk before an event that was made with them; the
// events last. Whatever fails between leaves a body that is handled again from the start, and comes
// to the same decisions.
Handled BodyHandler::handle(std::string_view body, WallTime now, std::optional<WallTime> until) {
  try {
    return handle_now(body, now, until);
  } catch (const StoreAway& away) {
    return {Fate::kFailed, {503, away.what()}};
  }
}

Handled BodyHandler::handle_now(std::string_view body, WallTime now,
                                std::optional<WallTime> until) {
  // Each attempt knows more decisions, and a body needs few.
  for (int attempts = 0; attempts < 5; ++attempts) {
    auto mapping = to_events(body, mapping_options(now));
    if (!mapping) return refuse_unmapped(mapping.error());
    if (mapping->is_thin) return handle_thin(*mapping, body, now, until);
    if (mapping->is_unhandled) count_unhandled(mapping->type);
    put_all_facts(mapping->facts, now);
    if (!end_carts(mapping->completions)) return {Fate::kFailed, {503, "not on disk in time"}};
    if (!mapping->ignored.empty() && mapping->missing.empty() && mapping->decisions.empty()) {
      return ignore(*std::move(mapping));
    }
    if (auto waiting = wait_for_more(*mapping, body, now, until)) return *std::move(waiting);
    if (!store_decisions(mapping->decisions, now)) continue;
    if (!mapping->ignored.empty()) return ignore(*std::move(mapping));
    return track(*mapping);
  }
  return {Fate::kFailed, {503, "the decisions keep changing"}};
}

MappingOptions BodyHandler::mapping_options(WallTime now) {
  const Config& settings = parts_.settings.now();
  FactStore& store = *parts_.config.fact_store;
  return {.test_mode = settings.test_mode,
          .reports = settings.reports,
          .find_fact = [this, &store, now](
                           std::string_view key,
                           WallTime at) { return value_of(store.find_fact(key, at, now)); },
          .find_decision =
              [this, &store, now](std::string_view key) {
                return value_of(store.find_decision(key, now));
              }};
}

std::optional<std::string> BodyHandler::value_of(const Result<std::optional<std::string>>& result) {
  if (result) return *result;
  report_store(result.error());
  return std::nullopt;
}

// Made without what was decided, an event could be another one. So nothing is made of a body while
// the store of all servers is away, or the key of a record is missing, which an operator can put
// back: Stripe delivers again until then. Without its own file a server goes on.
void BodyHandler::report_store(const Error& error) {
  parts_.log.write_kind(Kind::kStore, error.message);
  if (error.code == postbox::ErrorCode::kInvalidConfig || parts_.config.fact_store->is_shared()) {
    throw StoreAway(error.message);
  }
}

Handled BodyHandler::refuse_unmapped(const Error& error) {
  parts_.log.write_kind(Kind::kUntracked, "a body cannot be mapped: " + error.message);
  // Without memory, say, the body is not at fault: it may be mapped the next time.
  if (error.code == postbox::ErrorCode::kInternal) return {Fate::kFailed, {503, error.message}};
  return {Fate::kUnusable, {400, error.message}};
}

// A thin event is kept until it is fetched. Without an API key it is refused: answered with 200 it
// would be lost, while Stripe keeps a refused one and shows that something is wrong. With `until`
// it has waited for as long as Stripe keeps it.
Handled BodyHandler::handle_thin(const Mapping& mapping, std::string_view body, WallTime now,
                                 std::optional<WallTime> until) {
  const std::string what = "a thin event (" + mapping.type + ")";
  if (until) {
    parts_.log.write_kind(Kind::kUntracked, what + " could not be fetched from Stripe for 30 days");
    return {Fate::kUnusable, {400, what}};
  }
  if (parts_.settings.now().api_key.empty()) {
    const std::string why =
        what +
        " names an object and does not contain it: set STRIPE_API_KEY to a restricted key that "
        "may read events, or the endpoint's payload style to snapshot in Stripe's dashboard";
    parts_.log.write_kind(Kind::kUntracked, why);
    return {Fate::kUnusable, {400, why}};
  }
  const std::string key = std::string(kThinKey) + mapping.event_id;
  // Not under the event's id: the whole event may wait under that.
  if (!defer_body({key, std::string(body), key, now + kStripeKeeps})) {
    return {Fate::kFailed, {503, what + " could not be kept"}};
  }
  return {Fate::kWaiting, {200, "waits for " + key}};
}

// Logs each type once, for those who have subscribed the endpoint to it.
void BodyHandler::count_unhandled(const std::string& type) {
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
  parts_.log.write(LogLevel::kWarn,
                   "Stripe webhook: no events are made of the type " + type.substr(0, 100) +
                       ", which is answered with 200; remove it from the endpoint");
}

std::map<std::string, std::uint64_t> BodyHandler::unhandled() const {
  const std::lock_guard lock(unhandled_mutex_);
  return unhandled_;
}

// Nothing when the body is to be tracked now.
std::optional<Handled> BodyHandler::wait_for_more(const Mapping& mapping, std::string_view body,
                                                  WallTime now, std::optional<WallTime> until) {
  if (mapping.missing.empty()) return std::nullopt;
  const WallTime deadline = until.value_or(now + parts_.config.patience);
  if (deadline <= now) return std::nullopt;
  // A body that would be refused later must be refused now, while Stripe listens.
  if (auto violations = violations_of(mapping, now); !violations.empty()) {
    return reject(mapping, postbox::TrackResult(TrackStatus::kRejected, std::move(violations)));
  }
  const std::string& key = awaited_key(mapping);
  if (!defer_body({mapping.event_id, std::string(body), key, deadline})) return std::nullopt;
  Handled waiting{Fate::kWaiting, {200, "waits for " + key}, mapping.facts};
  if (has_come(key, body, now)) waiting.met.push_back({key, {}});
  return waiting;
}

// Whoever was told the fact between the look for it and the moment in which the body was kept has
// not seen the body: so this looks once more.
bool BodyHandler::has_come(const std::string& key, std::string_view body, WallTime now) {
  const auto again = to_events(body, mapping_options(now));
  return again && std::ranges::find(again->missing, key) == again->missing.end();
}

// A customer whom the resolver can tell comes first.
const std::string& BodyHandler::awaited_key(const Mapping& mapping) const {
  const auto customer = std::ranges::find_if(
      mapping.missing, [](const std::string& key) { return key.starts_with(kCustomerKey); });
  const bool ask = parts_.config.resolver && customer != mapping.missing.end();
  return ask ? *customer : mapping.missing.front();
}

bool BodyHandler::defer_body(const WaitingBody& body) {
  const auto kept = parts_.config.fact_store->put_body(body);
  parts_.worker.wake();
  if (kept) return true;
  if (kept.error().code == postbox::ErrorCode::kOutboxFull) {
    parts_.log.write_kind(Kind::kStore, kept.error().message);  // it goes without waiting
  } else {
    report_store(kept.error());
  }
  return false;
}

// Carts end at once, even if the body waits.
bool BodyHandler::end_carts(const std::vector<klaviyo::CartCompletion>& completions) {
  return std::ranges::all_of(completions, [this](const klaviyo::CartCompletion& completion) {
    const auto status =
        parts_.tracker.track_durably(completion, parts_.config.disk_deadline).status();
    return status == TrackStatus::kAccepted || status == TrackStatus::kDisabled;
  });
}

// False when another delivery has decided otherwise: then the body must be mapped again.
bool BodyHandler::store_decisions(const std::vector<Decision>& decisions, WallTime now) {
  if (decisions.empty()) return true;
  const auto stand =
      parts_.config.fact_store->put_decisions(decisions, now, now + parts_.config.remember_for);
  if (!stand) report_store(stand.error());
  return stand.value_or(true);
}

bool BodyHandler::store_facts(const std::vector<Fact>& facts, WallTime now) {
  try {
    put_all_facts(facts, now);
    return true;
  } catch (const StoreAway&) {
    return false;
  }
}

void BodyHandler::put_all_facts(const std::vector<Fact>& facts, WallTime now) {
  std::vector<Fact> short_lived;
  std::vector<Fact> others;
  for (const Fact& fact : facts) {
    (fact.key.starts_with("bought:") ? short_lived : others).push_back(fact);
  }
  put_facts(others, now, now + parts_.config.remember_for);
  put_facts(short_lived, now, now + std::min(parts_.config.remember_for, kPurchaseMemory));
}

void BodyHandler::put_facts(const std::vector<Fact>& facts, WallTime now, WallTime expires) {
  if (facts.empty()) return;
  const auto kept = parts_.config.fact_store->put_facts(facts, now, expires);
  if (!kept) report_store(kept.error());
}

Handled BodyHandler::track(const Mapping& mapping) {
  bool is_kept = false;
  for (const Event& event : mapping.events) {
    const auto result = std::visit(
        [&](const auto& typed) {
          return parts_.tracker.track_durably(typed, parts_.config.disk_deadline);
        },
        event);
    if (!result) return reject(mapping, result);
    is_kept = is_kept || result.status() == TrackStatus::kAccepted;
  }
  if (is_kept && !mapping.missing.empty()) ++parts_.counts.incomplete;
  return {is_kept ? Fate::kTracked : Fate::kDisabled,
          {200, std::to_string(mapping.events.size()) + (is_kept ? " events" : " disabled")},
          mapping.facts};
}

Handled BodyHandler::reject(const Mapping& mapping, const postbox::TrackResult& result) {
  parts_.log.write_kind(Kind::kUntracked,
                        mapping.type + " " + mapping.event_id + ": " + result.to_string());
  const bool is_rejected = result.status() == TrackStatus::kRejected;
  return {is_rejected ? Fate::kUnusable : Fate::kFailed,
          {is_rejected ? 400 : 503, result.to_string()},
          mapping.facts};
}

}  // namespace stripe

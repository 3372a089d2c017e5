#include "history_record.hpp"

#include <algorithm>
#include <klaviyo_json/from_json.hpp>
#include <klaviyo_json/json_paths.hpp>
#include <postbox/clock.hpp>
#include <postbox/services.hpp>
#include <utility>

namespace postbox::cli {
namespace {

auto event_of(const klaviyo::Order& order) {
  return klaviyo::backfill(klaviyo::order_placed(order));
}
auto event_of(const klaviyo::Subscription& subscription) {
  return klaviyo::backfill(klaviyo::subscription_started(subscription));
}

bool has_time(const klaviyo::Order& order) { return order.placed_at.has_value(); }
bool has_time(const klaviyo::Subscription& subscription) {
  return subscription.started_at || subscription.occurred_at;
}

const char* time_member(const klaviyo::Order&) { return "placed_at"; }
const char* time_member(const klaviyo::Subscription&) { return "started_at"; }

template <class T>
HistoryRead read_as(const SourceRecord& source, const EventContext* context) {
  auto read = klaviyo::parse_json<T>(source.json);
  HistoryRead history{.warnings = std::move(read.warnings)};
  if (!read.is_object) {
    history.violations = std::move(read.violations);
    return history;
  }
  EventBatch batch(system_clock()->wall_now(), nullptr, context);
  event_of(*read).encode(batch);
  // A member that the source could not read is no second mistake where the event misses it.
  history.violations =
      klaviyo::merged(klaviyo::merged(source.violations, std::move(read.violations)),
                      klaviyo::in_json(*read, std::move(batch.violations())));
  for (Violation& warning : klaviyo::in_json(*read, std::move(batch.warnings()))) {
    history.warnings.push_back(std::move(warning));
  }
  const std::string member = time_member(*read);
  const auto is_of_time = [&](const Violation& violation) { return violation.path == member; };
  if (!has_time(*read) && std::ranges::none_of(history.violations, is_of_time)) {
    history.violations.push_back({member, "is required: history is recorded at its own time"});
  }
  if (history.violations.empty()) history.record = HistoryRecord{*std::move(read)};
  return history;
}

}  // namespace

const Family& HistoryRecord::family() const noexcept {
  return std::holds_alternative<klaviyo::Order>(value) ? klaviyo::kPurchase
                                                       : klaviyo::kSubscription;
}

std::vector<EventRecord> HistoryRecord::events(const EventContext* context,
                                               const TypeNames& names) const {
  EventBatch batch(system_clock()->wall_now(), &names, context);
  std::visit([&batch](const auto& each) { event_of(each).encode(batch); }, value);
  return std::move(batch.records());
}

TrackResult HistoryRecord::track(Tracker& tracker,
                                 std::optional<std::chrono::milliseconds> deadline) const {
  return std::visit(
      [&](const auto& each) {
        const auto event = event_of(each);
        return deadline ? tracker.track_durably(event, *deadline) : tracker.track(event);
      },
      value);
}

Result<Tracker> tracker_for_reading(klaviyo::Config config) {
  config.api_key.clear();
  config.engine.outbox.url = "memory:";
  config.engine.log = nullptr;
  Services services;
  services.threads = false;
  return klaviyo::start(std::move(config), std::move(services));
}

HistoryRead read_history(const SourceRecord& source, const EventContext* context) {
  if (source.type == "order") return read_as<klaviyo::Order>(source, context);
  if (source.type == "subscription") return read_as<klaviyo::Subscription>(source, context);
  if (!source.violations.empty()) return {.violations = source.violations};
  return {.violations = {
              {"body", source.type.empty()
                           ? "must be an order or a subscription in JSON, and has neither "
                             "order_id nor subscription_id"
                           : "is a " + source.type + "; expected an order or a subscription"}}};
}

}  // namespace postbox::cli

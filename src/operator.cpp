#include <algorithm>
#include <cstdint>
#include <utility>

#include <postbox/operator.hpp>

#include "base/guarded.hpp"

namespace postbox {
namespace {

constexpr std::size_t kPage = 100;
constexpr EventHandle kFromStart{std::numeric_limits<std::int64_t>::min()};

EventFilter filter_of(const DeadLetterQuery& query) {
  return {.queue = query.queue,
          .handle = query.handle,
          .dead_for = query.dead_for,
          .reason = query.reason};
}

// The outbox cannot read payloads: a type is found here, and its events dealt with one by one.
// `list(after)` returns a page of them. Returns for how many `act(handle)` did something, `max` at
// most.
template <class List, class Act>
Result<std::size_t> for_each_of_type(List list, std::size_t max, Act act) {
  std::size_t done = 0;
  EventHandle after = kFromStart;
  for (;;) {
    const auto page = list(after);
    if (!page) return page.error();
    for (const auto& event : *page) {
      if (done >= max) return done;
      const Result<std::size_t> acted = act(event.handle);
      if (!acted) return acted.error();
      done += *acted;
      after = event.handle;
    }
    if (page->size() < kPage) return done;
  }
}

struct Names {
  std::string type;
  std::string key;
};

Result<Names> names_of(const Destination& destination, const EventRecord& event) {
  return guarded([&]() -> Result<Names> {
    return Names{destination.type_of(event), destination.key_of(event)};
  });
}

}  // namespace

HeldFilter Operator::filter_of(const HeldQuery& query) const {
  HeldFilter filter{.queue = query.queue, .handle = query.handle, .waits_for = query.waits_for};
  for (const Family& family : destination_->families()) {
    const auto number = static_cast<std::uint32_t>(family.queue);
    if (number < FlagSet::kMaxQueues && flags_->get(family.queue).is_off()) {
      filter.off_queues |= std::uint64_t{1} << number;
    }
  }
  return filter;
}

// What the outbox cannot read it does not select by. A dead letter's type is in its payload, which
// only the destination understands: the tracker finds a type and acts letter by letter.
//
// Events of the query's type out of the pages that `list(after)` returns.
template <class Typed, class Query>
Result<std::vector<Typed>> Operator::pages_of(const Query& query, EventHandle after,
                                              std::size_t max, auto list) const {
  std::vector<Typed> found;
  for (;;) {
    auto page = list(after);
    if (!page) return page.error();
    for (auto& event : *page) {
      if (found.size() >= max) return found;
      after = event.handle;
      auto names = names_of(*destination_, event.record);
      if (!names) return names.error();
      if (!query.type.empty() && query.type != names->type) continue;
      found.push_back({std::move(event), std::move(names->type), std::move(names->key)});
    }
    if (page->size() < kPage) return found;
  }
}

Result<std::vector<TypedDeadLetter>> Operator::dead_letters(const DeadLetterQuery& query,
                                                            EventHandle after,
                                                            std::size_t max) const {
  return pages_of<TypedDeadLetter>(query, after, max, [&](EventHandle from) {
    return outbox_->dead(postbox::filter_of(query), from, kPage);
  });
}

Result<std::size_t> Operator::replay(const DeadLetterQuery& query, const ReplayOptions& options) {
  Rewrite rewrite;
  if (options.backfill) {
    rewrite = [this](EventRecord& event) { destination_->mark_backfill(event); };
  }
  if (query.type.empty()) {
    return outbox_->replay(postbox::filter_of(query), options.max, rewrite);
  }
  return for_each_of_type(
      [&](EventHandle after) { return dead_letters(query, after, kPage); }, options.max,
      [&](EventHandle handle) { return outbox_->replay({.handle = handle}, 1, rewrite); });
}

Result<std::size_t> Operator::purge(const DeadLetterQuery& query, std::size_t max) {
  if (query.type.empty() && max == kAll) return outbox_->purge(postbox::filter_of(query));
  return for_each_of_type([&](EventHandle after) { return dead_letters(query, after, kPage); }, max,
                          [&](EventHandle handle) { return outbox_->purge({.handle = handle}); });
}

Result<std::vector<TypedHeldEvent>> Operator::held_events(const HeldQuery& query, EventHandle after,
                                                          std::size_t max) const {
  const HeldFilter filter = filter_of(query);
  return pages_of<TypedHeldEvent>(
      query, after, max, [&](EventHandle from) { return outbox_->held(filter, from, kPage); });
}

Result<std::size_t> Operator::purge_held(const HeldQuery& query, std::size_t max) {
  const HeldFilter filter = filter_of(query);
  if (query.type.empty() && max == kAll) return outbox_->purge_held(filter);
  return for_each_of_type([&](EventHandle after) { return held_events(query, after, kPage); }, max,
                          [&](EventHandle handle) {
                            HeldFilter one = filter;
                            one.handle = handle;
                            return outbox_->purge_held(one);
                          });
}

Result<std::size_t> Operator::free_held(const HeldQuery& query, std::size_t max,
                                        const Freed& freed) {
  const HeldFilter filter = filter_of(query);
  const auto free_some = [&](const HeldFilter& which, EventHandle after, std::size_t most) {
    auto some = outbox_->free_held(which, after, most);
    if (some) freed(*some);
    return some;
  };
  const auto free_one = [&](EventHandle handle) -> Result<std::size_t> {
    HeldFilter one = filter;
    one.handle = handle;
    const auto some = free_some(one, kFromStart, 1);
    return some ? Result<std::size_t>(some->size()) : some.error();
  };
  return guarded([&]() -> Result<std::size_t> {
    if (!query.type.empty()) {
      return for_each_of_type([&](EventHandle after) { return held_events(query, after, kPage); },
                              max, free_one);
    }
    std::size_t count = 0;
    for (EventHandle after = kFromStart; count < max;) {
      const auto some = free_some(filter, after, max - count);
      if (!some) return some.error();
      if (some->empty()) break;
      count += some->size();
      after = some->back();
    }
    return count;
  });
}

Result<std::vector<TypedEvent>> Operator::events(EventHandle after, std::size_t max) const {
  auto listed = outbox_->list(after, max);
  if (!listed) return listed.error();
  const std::uint64_t off = filter_of(HeldQuery{}).off_queues;
  std::vector<TypedEvent> events;
  for (ListedEvent& event : *listed) {
    const bool waits = event.state == EventState::kReady || event.state == EventState::kDelayed;
    const auto number = static_cast<std::uint32_t>(event.record.queue);
    if (waits && number < FlagSet::kMaxQueues && ((off >> number) & 1U) != 0) {
      event.state = EventState::kHeld;
      event.due.reset();
    }
    auto names = names_of(*destination_, event.record);
    if (!names) return names.error();
    events.push_back({std::move(event), std::move(names->type), std::move(names->key)});
  }
  return events;
}

Result<std::size_t> Operator::forget(const Key& profile) { return outbox_->purge_profile(profile); }

Result<std::string> Operator::kept(std::string_view name) const { return outbox_->keep(name, {}); }

Result<OutboxStats> Operator::status() const {
  auto stats = outbox_->stats();
  if (!stats || stats->away.empty()) return stats;
  Error error{ErrorCode::kOutboxUnavailable, stats->away};
  if (stats->spilled > 0) {
    error.message +=
        "; " + std::to_string(stats->spilled) + " events wait in POSTBOX_SPILL until it is back";
  }
  return error;
}

}  // namespace postbox

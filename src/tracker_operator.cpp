// What an operator asks of a tracker: new settings, dead letters, and events that are held.
#include <algorithm>
#include <span>

#include "tracker_impl.hpp"

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

// What the host or an integration brought may throw; nothing leaves the library.
template <class Work>
auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& failure) {
    return Error{ErrorCode::kInternal, std::string("an exception was caught: ") + failure.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, "an exception was caught"};
  }
}

HeldFilter filter_of(const HeldQuery& query, const FlagSet& flags,
                     std::span<const Family> families) {
  HeldFilter filter{.queue = query.queue, .handle = query.handle, .waits_for = query.waits_for};
  for (const Family& family : families) {
    const auto number = static_cast<std::uint32_t>(family.queue);
    if (number < FlagSet::kMaxQueues && flags.get(family.queue).is_off()) {
      filter.off_queues |= std::uint64_t{1} << number;
    }
  }
  return filter;
}

}  // namespace

Result<void> Tracker::reload() {
  Impl* const found = here();
  if (found == nullptr) return Impl::not_here();
  Impl& impl = *found;
  const MutexLock lock(impl.reload_mutex);
  if (!impl.services.reload) {
    return Error{ErrorCode::kInvalidArgument, "this tracker has no configuration to read again"};
  }
  const auto reloaded = guarded([&] {
    const NoFork no_fork;  // a child reads the settings again from where this leaves them
    return impl.services.reload();
  });
  if (!reloaded) return reloaded.error();
  for (const auto& [queue, flag] : reloaded->flags) impl.flags.set(queue, flag);
  impl.exemptions.clear();
  impl.logger.set_level(reloaded->log_level);
  for (const std::string& change : reloaded->changes) {
    impl.logger.log(LogLevel::kInfo, impl.services.change_prefix + ": " + change);
  }
  for (const std::string& change : reloaded->needs_restart) {
    impl.logger.log(LogLevel::kWarn, "set, but needs a restart: " + change);
  }
  for (const std::string& warning : reloaded->warnings) {
    impl.logger.log(LogLevel::kWarn, warning);
  }
  impl.sender.resume();
  impl.services.http->wake();
  // Last, for a disk may hang.
  for (const auto& [name, text] : reloaded->kept) {
    const auto before = exchange(name, text);
    if (before) continue;
    impl.logger.log(LogLevel::kWarn,
                    "cannot keep the " + name + " in the outbox: " + before.error().message);
  }
  return {};
}

Result<std::vector<TypedDeadLetter>> Tracker::dead_letters(const DeadLetterQuery& query,
                                                           EventHandle after,
                                                           std::size_t max) const {
  const Impl* const found_here = here();
  if (found_here == nullptr) return Impl::not_here();
  const Services& services = found_here->services;
  std::vector<TypedDeadLetter> found;
  for (;;) {
    auto page = services.outbox->dead(filter_of(query), after, kPage);
    if (!page) return page.error();
    for (DeadLetter& letter : *page) {
      if (found.size() >= max) return found;
      after = letter.handle;
      auto type = guarded(
          [&]() -> Result<std::string> { return services.destination->type_of(letter.record); });
      if (!type) return type.error();
      if (!query.type.empty() && query.type != *type) continue;
      found.push_back({std::move(letter), *std::move(type)});
    }
    if (page->size() < kPage) return found;
  }
}

Result<std::size_t> Tracker::replay(const DeadLetterQuery& query, const ReplayOptions& options) {
  Impl* const found = here();
  if (found == nullptr) return Impl::not_here();
  Impl& impl = *found;
  if (const auto opened = impl.ledger.open(); !opened) return opened.error();
  Rewrite rewrite;
  if (options.backfill) {
    rewrite = [&](EventRecord& event) { impl.services.destination->mark_backfill(event); };
  }
  const auto revive = [&](const EventFilter& filter, std::size_t max) {
    return impl.services.outbox->replay(filter, max, rewrite);
  };
  const auto list = [&](EventHandle after) { return dead_letters(query, after, kPage); };
  auto revived = query.type.empty() ? revive(filter_of(query), options.max)
                                    : for_each_of_type(list, options.max, [&](EventHandle handle) {
                                        return revive({.handle = handle}, 1);
                                      });
  // Also after a failure, which may have come behind the first of them.
  impl.sender.appended();
  impl.services.http->wake();
  return revived;
}

Result<std::size_t> Tracker::purge(const DeadLetterQuery& query) {
  Impl* const found = here();
  if (found == nullptr) return Impl::not_here();
  Impl& impl = *found;
  if (const auto opened = impl.ledger.open(); !opened) return opened.error();
  Outbox& outbox = *impl.services.outbox;
  if (query.type.empty()) return outbox.purge(filter_of(query));
  return for_each_of_type([&](EventHandle after) { return dead_letters(query, after, kPage); },
                          std::numeric_limits<std::size_t>::max(),
                          [&](EventHandle handle) { return outbox.purge({.handle = handle}); });
}

Result<std::vector<TypedHeldEvent>> Tracker::held_events(const HeldQuery& query, EventHandle after,
                                                         std::size_t max) const {
  const Impl* const impl = here();
  if (impl == nullptr) return Impl::not_here();
  const Services& services = impl->services;
  const HeldFilter filter = filter_of(query, impl->flags, services.destination->families());
  std::vector<TypedHeldEvent> found;
  for (;;) {
    auto page = services.outbox->held(filter, after, kPage);
    if (!page) return page.error();
    for (HeldEvent& event : *page) {
      if (found.size() >= max) return found;
      after = event.handle;
      auto type = guarded(
          [&]() -> Result<std::string> { return services.destination->type_of(event.record); });
      if (!type) return type.error();
      if (!query.type.empty() && query.type != *type) continue;
      found.push_back({std::move(event), *std::move(type)});
    }
    if (page->size() < kPage) return found;
  }
}

Result<std::size_t> Tracker::send_held(const HeldQuery& query, std::size_t max) {
  Impl* const impl = here();
  if (impl == nullptr) return Impl::not_here();
  if (const auto opened = impl->ledger.open(); !opened) return opened.error();
  const HeldFilter filter = filter_of(query, impl->flags, impl->services.destination->families());
  const auto free_some = [&](const HeldFilter& which, EventHandle after, std::size_t most) {
    auto freed = impl->services.outbox->free_held(which, after, most);
    if (freed) impl->exemptions.add(*freed);
    return freed;
  };
  const auto free_one = [&](EventHandle handle) -> Result<std::size_t> {
    HeldFilter one = filter;
    one.handle = handle;
    const auto freed = free_some(one, kFromStart, 1);
    return freed ? Result<std::size_t>(freed->size()) : freed.error();
  };
  const auto free_all = [&]() -> Result<std::size_t> {
    std::size_t sent = 0;
    for (EventHandle after = kFromStart; sent < max;) {
      const auto freed = free_some(filter, after, max - sent);
      if (!freed) return freed.error();
      if (freed->empty()) break;
      sent += freed->size();
      after = freed->back();
    }
    return sent;
  };
  auto sent = guarded([&] {
    if (query.type.empty()) return free_all();
    return for_each_of_type([&](EventHandle after) { return held_events(query, after, kPage); },
                            max, free_one);
  });
  // Also after a failure, which may have come behind the first of them.
  impl->sender.appended();
  impl->services.http->wake();
  return sent;
}

Result<std::size_t> Tracker::purge_held(const HeldQuery& query) {
  Impl* const impl = here();
  if (impl == nullptr) return Impl::not_here();
  if (const auto opened = impl->ledger.open(); !opened) return opened.error();
  const HeldFilter filter = filter_of(query, impl->flags, impl->services.destination->families());
  Outbox& outbox = *impl->services.outbox;
  if (query.type.empty()) return outbox.purge_held(filter);
  return for_each_of_type([&](EventHandle after) { return held_events(query, after, kPage); },
                          std::numeric_limits<std::size_t>::max(),
                          [&](EventHandle handle) {
                            HeldFilter one = filter;
                            one.handle = handle;
                            return outbox.purge_held(one);
                          });
}

Result<std::string> Tracker::keep(std::string_view name, std::string_view text) const {
  const Impl* const impl = here();
  if (impl == nullptr) return Impl::not_here();
  return guarded([&] { return impl->services.outbox->keep(name, text); });
}

Result<std::string> Tracker::exchange(std::string_view name, std::string_view text) const {
  const Impl* const impl = here();
  if (impl == nullptr) return Impl::not_here();
  return guarded([&] { return impl->services.outbox->exchange(name, text); });
}

const std::any* Tracker::settings() const noexcept {
  const Impl* const impl = here();
  return impl != nullptr ? &impl->services.settings : nullptr;
}

std::optional<std::string> Tracker::outbox_file() const {
  return impl_ ? impl_->services.outbox->file() : std::nullopt;
}

Result<std::size_t> Tracker::forget(const Key& profile) {
  Impl* const found = here();
  if (found == nullptr) return Impl::not_here();
  if (const auto opened = found->ledger.open(); !opened) return opened.error();
  return found->services.outbox->purge_profile(profile);
}

}  // namespace postbox

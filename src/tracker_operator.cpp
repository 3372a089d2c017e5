// What an operator asks of a tracker: new settings, and dead letters.
#include <algorithm>

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

// The outbox cannot read payloads: a type is found here, and its letters dealt with one by one.
// Returns for how many `act(filter)` did something, `max` at most.
template <class Act>
Result<std::size_t> for_each_of_type(const Tracker& tracker, const DeadLetterQuery& query,
                                     std::size_t max, Act act) {
  std::size_t done = 0;
  EventHandle after = kFromStart;
  for (;;) {
    const auto page = tracker.dead_letters(query, after, kPage);
    if (!page) return page.error();
    for (const TypedDeadLetter& letter : *page) {
      if (done >= max) return done;
      const Result<std::size_t> acted = act(EventFilter{.handle = letter.handle});
      if (!acted) return acted.error();
      done += *acted;
      after = letter.handle;
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
  impl.logger.set_level(reloaded->log_level);
  for (const std::string& change : reloaded->changes) {
    impl.logger.log(LogLevel::kInfo, impl.services.change_prefix + ": " + change);
  }
  for (const std::string& change : reloaded->needs_restart) {
    impl.logger.log(LogLevel::kWarn, "set, but needs a restart: " + change);
  }
  impl.sender.resume();
  impl.services.http->wake();
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
  auto revived = query.type.empty()
                     ? revive(filter_of(query), options.max)
                     : for_each_of_type(*this, query, options.max, [&](const EventFilter& filter) {
                         return revive(filter, 1);
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
  const auto remove = [&](const EventFilter& filter) {
    return impl.services.outbox->purge(filter);
  };
  if (query.type.empty()) return remove(filter_of(query));
  return for_each_of_type(*this, query, std::numeric_limits<std::size_t>::max(), remove);
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

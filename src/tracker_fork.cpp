// What a tracker is in the child of a fork(): the parent's threads do not run here, its locks may
// be taken for ever, and its connections are the parent's. So nothing of the parent's Impl is used
// but what is constant or atomic; an heir made from the same parts takes its place.
#include <exception>
#include <utility>

#include "tracker_impl.hpp"

namespace postbox {
namespace {

// Taken inside NoFork only, so that no child inherits it taken.
Mutex& inheriting() {
  static Mutex mutex;
  return mutex;
}

}  // namespace

// Null, too, in a tracker that was moved from.
Tracker::Impl* Tracker::here() const {
  return impl_ && impl_->is_foreign() ? impl_->in_child() : impl_.get();
}

// Returns null when calls are to be answered with kClosed.
Tracker::Impl* Tracker::Impl::in_child() try {
  if (Tracker* const found = heir.load()) return found->here();
  if (closed_in_child.load() || !forked_at_rest()) return nullptr;
  const NoFork no_fork;
  if (!forked_at_rest()) return nullptr;  // the host was in the middle of a call of SQLite
  const MutexLock lock(inheriting());
  if (Tracker* const found = heir.load()) return found->here();
  if (closed_in_child.load()) return nullptr;
  Services parts = given;
  for (auto& [queue, flag] : parts.flags) flag = flags.get(queue);
  // Their connections to somewhere would be shared with the parent.
  const bool own_connections = parts.outbox || parts.http;
  auto started = own_connections ? not_here() : start(config, std::move(parts));
  if (!started) {
    closed_in_child.store(true);
    return nullptr;
  }
  started->impl_->logger.set_level(logger.level());
  heir.store(new Tracker(*std::move(started)));
  return heir.load()->here();
} catch (const std::exception&) {  // without memory
  return nullptr;
}

TrackResult Tracker::turn_away(const EventView& event) const {
  if (impl_) add(impl_->turned_away, event.size(event.event));
  return TrackResult(TrackStatus::kClosed);
}

Error Tracker::Impl::not_here() {
  return {ErrorCode::kClosed,
          "the tracker belongs to the process that this one was forked from, or was moved away"};
}

// Does not start an heir only to stop it.
StopReport Tracker::Impl::stop_in_child(std::chrono::milliseconds deadline) {
  closed_in_child.store(true);
  Tracker* const found = heir.load();
  return found != nullptr ? found->stop(deadline) : StopReport{};
}

// Never destroyed, for that would close what is the parent's. The list is there for leak checkers.
void Tracker::Impl::leave(std::shared_ptr<Impl> foreign) noexcept {
  delete foreign->heir.exchange(nullptr);
  Impl* const raw = foreign.get();
  raw->left_to_parent = std::move(foreign);
  raw->next_left = first_left.load();
  while (!first_left.compare_exchange_weak(raw->next_left, raw)) {
  }
}

}  // namespace postbox

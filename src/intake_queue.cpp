#include "intake_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

// More events make a commit no cheaper for each.
constexpr std::size_t kWorthACommit = 200;

// Beyond it a commit takes so long that the next ones wait for it.
constexpr std::size_t kMostRecords = 4'000;
constexpr Bytes kMostBytes = mebibytes(4);

}  // namespace

IntakeQueue::Pushed IntakeQueue::push(std::vector<EventRecord>& records, WallTime at, Share share,
                                      Bytes room) {
  std::uint64_t bytes = 0;
  std::size_t events = 0;
  for (const EventRecord& record : records) {
    bytes += footprint(record);
    events += has_event(record) ? 1 : 0;
  }

  bool ring = false;
  Pushed pushed{Answer::kAccepted, 0};
  {
    const MutexLock lock(mutex_);
    POSTBOX_ASSERT(durable_through_ <= pushed_);
    if (closed_) return {Answer::kClosed, 0};
    if (records.empty()) return {Answer::kAccepted, pushed_};
    if (!fits(events, bytes, share, room)) return {Answer::kFull, 0};
    Piece& piece = last_piece(records.size());
    Taken& content = piece.content;
    // Of one millisecond there is one number. Before the records: it may be without memory.
    if (content.offered.empty() || content.offered.back().at != at) content.offered.push_back({at});
    content.records.insert(content.records.end(), std::make_move_iterator(records.begin()),
                           std::make_move_iterator(records.end()));
    content.offered.back().events += events;
    piece.bytes += bytes;
    pushed_ += events;
    pending_bytes_ += bytes;
    pushed.sequence = pushed_;
    ring = has(ring_);
    if (ring) ring_ = Ring::kNever;
  }
  if (ring) bell_.ring();
  return pushed;
}

bool IntakeQueue::fits(std::size_t events, std::uint64_t bytes, Share share, Bytes room) const {
  return pushed_ - durable_through_ + events <= allowed(max_events_, share) &&
         pending_bytes_ + bytes <= std::min(allowed(max_bytes_.count, share), room.count);
}

// The piece that takes the records of one call, all of them.
IntakeQueue::Piece& IntakeQueue::last_piece(std::size_t records) {
  const bool is_done = queue_.empty() || queue_.back().bytes >= kMostBytes.count ||
                       queue_.back().content.records.size() + records > kMostRecords;
  return is_done ? queue_.emplace_back() : queue_.back();
}

IntakeQueue::Taken IntakeQueue::take() {
  const MutexLock lock(mutex_);
  if (queue_.empty()) return {};
  Taken content = std::move(queue_.front().content);
  POSTBOX_ASSERT(!content.records.empty() && !content.offered.empty());
  queue_.pop_front();
  return content;
}

void IntakeQueue::settle_durable(std::size_t events, std::uint64_t bytes) {
  bool wake_callers = false;
  {
    const MutexLock lock(mutex_);
    POSTBOX_ASSERT(events <= pushed_ - durable_through_);
    POSTBOX_ASSERT(bytes <= pending_bytes_);
    durable_through_ += events;
    pending_bytes_ -= bytes;
    wake_callers = in_hurry_ > 0;
  }
  if (wake_callers) durable_.notify_all();
}

bool IntakeQueue::wait_durable(std::uint64_t sequence, SteadyTime deadline) {
  const Hurry hurry(*this);
  MutexLock lock(mutex_);
  while (durable_through_ < sequence) {
    if (durable_.wait_until(lock, deadline)) break;
  }
  return durable_through_ >= sequence;
}

void IntakeQueue::hurry() {
  bool ring = false;
  {
    const MutexLock lock(mutex_);
    ++in_hurry_;
    ring = has(ring_);
    if (ring) ring_ = Ring::kNever;
  }
  if (ring) bell_.ring();
}

void IntakeQueue::end_hurry() {
  const MutexLock lock(mutex_);
  POSTBOX_ASSERT(in_hurry_ > 0);
  --in_hurry_;
}

bool IntakeQueue::ring_for(Ring ring) {
  const MutexLock lock(mutex_);
  const bool is_so = has(ring);
  ring_ = is_so ? Ring::kNever : ring;
  return is_so;
}

bool IntakeQueue::has(Ring ring) const {
  return ring == Ring::kUrgent ? is_urgent() : ring == Ring::kAny && !queue_.empty();
}

bool IntakeQueue::is_urgent() const {
  if (queue_.empty()) return false;
  return in_hurry_ > 0 || queue_.size() > 1 || is_half_full() ||
         queue_.front().content.records.size() >= kWorthACommit;
}

bool IntakeQueue::is_half_full() const {
  return (pushed_ - durable_through_) * 2 >= max_events_ || pending_bytes_ * 2 >= max_bytes_.count;
}

void IntakeQueue::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  bell_.ring();
}

bool IntakeQueue::closed() const {
  const MutexLock lock(mutex_);
  return closed_;
}

bool IntakeQueue::is_empty() const {
  const MutexLock lock(mutex_);
  return queue_.empty();
}

std::uint64_t IntakeQueue::pending() const {
  const MutexLock lock(mutex_);
  return pushed_ - durable_through_;
}

}  // namespace postbox

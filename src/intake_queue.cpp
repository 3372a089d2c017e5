#include "intake_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postbox {
namespace {

// More events make a commit no cheaper for each.
constexpr std::size_t kWorthACommit = 200;

// Beyond it a commit takes so long that the next ones wait for it.
constexpr std::size_t kMostRecords = 4'000;
constexpr Bytes kMostBytes = mebibytes(4);

}  // namespace

IntakeQueue::Pushed IntakeQueue::push(std::vector<EventRecord>& records, Share share, Bytes room) {
  std::uint64_t bytes = 0;
  std::size_t events = 0;
  for (const EventRecord& record : records) {
    bytes += footprint(record);
    events += has_event(record) ? 1 : 0;
  }

  bool wake_writer = false;
  Pushed pushed{Answer::kAccepted, 0};
  {
    const MutexLock lock(mutex_);
    if (closed_) return {Answer::kClosed, 0};
    if (!fits(events, bytes, share, room)) return {Answer::kFull, 0};
    Piece& piece = last_piece(records.size());
    piece.records.insert(piece.records.end(), std::make_move_iterator(records.begin()),
                         std::make_move_iterator(records.end()));
    piece.bytes += bytes;
    pushed_ += events;
    pending_bytes_ += bytes;
    pushed.sequence = pushed_;
    wake_writer = std::exchange(writer_waits_, false) || (writer_gathers_ && is_urgent());
  }
  if (wake_writer) work_.notify_one();
  return pushed;
}

bool IntakeQueue::fits(std::size_t events, std::uint64_t bytes, Share share, Bytes room) const {
  return pushed_ - durable_through_ + events <= allowed(max_events_, share) &&
         pending_bytes_ + bytes <= std::min(allowed(max_bytes_.count, share), room.count);
}

// The piece that takes the records of one call, all of them.
IntakeQueue::Piece& IntakeQueue::last_piece(std::size_t records) {
  const bool is_done = queue_.empty() || queue_.back().bytes >= kMostBytes.count ||
                       queue_.back().records.size() + records > kMostRecords;
  return is_done ? queue_.emplace_back() : queue_.back();
}

std::vector<EventRecord> IntakeQueue::take() {
  const MutexLock lock(mutex_);
  if (queue_.empty()) return {};
  std::vector<EventRecord> records = std::move(queue_.front().records);
  queue_.pop_front();
  return records;
}

void IntakeQueue::settle_durable(std::size_t events, std::uint64_t bytes) {
  bool wake_callers = false;
  {
    const MutexLock lock(mutex_);
    durable_through_ += events;
    pending_bytes_ -= bytes;
    wake_callers = waiting_callers_ > 0;
  }
  if (wake_callers) durable_.notify_all();
}

bool IntakeQueue::wait_durable(std::uint64_t sequence, SteadyTime deadline) {
  MutexLock lock(mutex_);
  ++waiting_callers_;
  if (writer_gathers_) work_.notify_one();
  while (durable_through_ < sequence) {
    if (durable_.wait_until(lock, deadline)) break;
  }
  --waiting_callers_;
  return durable_through_ >= sequence;
}

void IntakeQueue::wait(SteadyTime deadline, bool for_work) {
  MutexLock lock(mutex_);
  while (!closed_ && !woken_ && !(for_work && !queue_.empty())) {
    writer_waits_ = for_work;
    if (work_.wait_until(lock, deadline)) break;
  }
  writer_waits_ = woken_ = false;
}

void IntakeQueue::gather(SteadyTime until) {
  MutexLock lock(mutex_);
  writer_gathers_ = true;
  while (!closed_ && !is_urgent()) {
    if (work_.wait_until(lock, until)) break;
  }
  writer_gathers_ = false;
}

bool IntakeQueue::is_urgent() const {
  return waiting_callers_ > 0 || queue_.size() > 1 ||
         (!queue_.empty() && queue_.front().records.size() >= kWorthACommit);
}

void IntakeQueue::wake() {
  {
    const MutexLock lock(mutex_);
    woken_ = true;
  }
  work_.notify_one();
}

void IntakeQueue::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  work_.notify_all();
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

#include "fork_gate.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

namespace postbox {
namespace {

constexpr std::chrono::seconds kLongestWait{1};

std::atomic<std::uint64_t> generation{0};
std::atomic<bool> at_rest{true};

thread_local int depth = 0;  // of this thread's scopes

}  // namespace

// Plain standard locks: prepare() keeps one across fork(), which no scope can express.
struct ForkGate {
  std::mutex mutex;
  std::condition_variable changed;

  // Guarded by `mutex`.
  int inside = 0;
  bool forking = false;
  bool at_rest_now = true;
  bool inheritance = false;  // give_up() is still to be called
  Inherited* first = nullptr;

  static ForkGate& instance() {
    static ForkGate& gate = make();
    return gate;
  }

  void enter() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !forking; });
    ++inside;
    if (!std::exchange(inheritance, false)) return;
    for (Inherited* each = first; each != nullptr; each = each->next_) each->give_up();
  }

  void leave() {
    const std::lock_guard lock(mutex);
    --inside;
    if (forking) changed.notify_all();
  }

  void add(Inherited& entry) {
    const std::lock_guard lock(mutex);
    entry.next_ = first;
    if (first != nullptr) first->previous_ = &entry;
    first = &entry;
  }

  void remove(const Inherited& entry) {
    const std::lock_guard lock(mutex);
    (entry.previous_ != nullptr ? entry.previous_->next_ : first) = entry.next_;
    if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
  }

 private:
  // Never destroyed: there may be forks while static objects are.
  static ForkGate& make() {
    alignas(ForkGate) static std::array<std::byte, sizeof(ForkGate)> place;
    auto& gate = *new (&place) ForkGate;
    pthread_atfork([] { instance().prepare(); }, [] { instance().parent(); },
                   [] { instance().child(); });
    return gate;
  }

  void prepare() {
    std::unique_lock lock(mutex);
    forking = true;
    const auto nobody = [this] { return inside == 0; };
    at_rest_now = depth == 0 && changed.wait_for(lock, kLongestWait, nobody);
    lock.release();
  }

  void parent() {
    forking = false;
    mutex.unlock();
    changed.notify_all();
  }

  // The other threads are gone, and with them whoever waits here.
  void child() {
    new (&mutex) std::mutex;
    new (&changed) std::condition_variable;
    inside = 0;
    forking = false;
    depth = 0;
    generation.fetch_add(1, std::memory_order_relaxed);
    // Also when nothing here may be used: what it says is for the parent's sake.
    for (Inherited* each = first; each != nullptr; each = each->next_) each->forked();
    if (!at_rest_now) return at_rest.store(false, std::memory_order_relaxed);
    inheritance = true;
  }
};

NoFork::NoFork() noexcept {
  if (depth++ == 0) ForkGate::instance().enter();
}

NoFork::~NoFork() {
  // In the child of a fork from inside a scope there is nothing to leave.
  if (depth > 0 && --depth == 0) ForkGate::instance().leave();
}

std::uint64_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

bool forked_at_rest() noexcept { return at_rest.load(std::memory_order_relaxed); }

Inherited::Inherited() { ForkGate::instance().add(*this); }
Inherited::~Inherited() { ForkGate::instance().remove(*this); }

}  // namespace postbox

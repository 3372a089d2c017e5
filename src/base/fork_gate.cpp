#include "fork_gate.hpp"

#include <pthread.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <new>
#include <utility>

namespace postbox {
namespace {

using std::chrono::milliseconds;

// How long a fork() waits for the calls under way.
constexpr milliseconds kLongestWait{1'000};

// How long a call waits for a fork() that has nothing left to wait for here. One that takes longer
// waits, in another library's handler, for a lock that a caller holds; so will the next one.
constexpr milliseconds kPatience{1'000};
constexpr milliseconds kShortPatience{20};

std::atomic<std::uint64_t> generation{0};
std::atomic<bool> at_rest{true};

thread_local int depth = 0;  // of this thread's scopes

}  // namespace

// The lock is free while fork() runs: the handlers of other libraries, which run then, may wait
// for a thread that waits here. So a child finds out by itself what it has inherited: `inside`
// and the list are written such that a copy of any moment can be read.
struct ForkGate {
  std::mutex mutex;
  std::condition_variable changed;

  // Changed under `mutex`.
  std::atomic<int> inside{0};  // scopes, of all threads
  std::atomic<Inherited*> first{nullptr};

  // Guarded by `mutex`.
  int forking = 0;
  int draining = 0;  // of those, how many wait for calls to end
  milliseconds patience = kPatience;
  bool is_overdue = false;   // a call has waited for the fork of now, and for nothing
  bool inheritance = false;  // give_up() is still to be called

  static ForkGate& instance() {
    static ForkGate& gate = make();
    return gate;
  }

  void enter() {
    std::unique_lock lock(mutex);
    if (forking != 0) await_forks(lock);
    ++inside;
    if (std::exchange(inheritance, false)) give_up();
  }

  void leave() {
    const std::lock_guard lock(mutex);
    --inside;
    if (draining != 0) changed.notify_all();
  }

  void add(Inherited& entry) {
    const std::lock_guard lock(mutex);
    entry.next_ = first.load();
    first = &entry;
  }

  void remove(const Inherited& entry) {
    const std::lock_guard lock(mutex);
    std::atomic<Inherited*>* link = &first;
    while (*link != nullptr && *link != &entry) link = &link->load()->next_;
    if (*link != nullptr) *link = entry.next_.load();
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

  // Returns although a fork() is under way when that takes too long; the child is not at rest then,
  // if it comes to be before the call has ended.
  void await_forks(std::unique_lock<std::mutex>& lock) {
    changed.wait(lock,
                 [this] { return draining == 0; });  // prepare() waits for so long and no more
    const auto may_go_on = [this] { return forking == 0 || is_overdue; };
    if (changed.wait_for(lock, patience, may_go_on)) return;
    patience = kShortPatience;
    is_overdue = true;
    changed.notify_all();
  }

  // For the first one in a child.
  void give_up() {
    for (Inherited* each = first; each != nullptr; each = each->next_) {
      if (!each->give_up()) at_rest = false;
    }
  }

  void prepare() {
    std::unique_lock lock(mutex);
    ++forking;
    if (depth > 0) return;  // it would wait for itself
    ++draining;
    changed.wait_for(lock, kLongestWait, [this] { return inside == 0; });
    --draining;
    changed.notify_all();
  }

  void parent() {
    const std::lock_guard lock(mutex);
    if (--forking == 0) is_overdue = false;
    changed.notify_all();
  }

  // The other threads are gone, and with them whoever holds the lock or waits for it.
  void child() {
    new (&mutex) std::mutex;
    new (&changed) std::condition_variable;
    const bool no_call = inside == 0;
    inside = 0;
    forking = 0;
    draining = 0;
    is_overdue = false;
    depth = 0;
    generation.fetch_add(1, std::memory_order_relaxed);
    // Also when nothing here may be used: what it says is for the parent's sake.
    for (Inherited* each = first; each != nullptr; each = each->next_) each->forked();
    if (!no_call) return at_rest.store(false, std::memory_order_relaxed);
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
Inherited::~Inherited() { withdraw(); }
void Inherited::withdraw() noexcept { ForkGate::instance().remove(*this); }

}  // namespace postbox

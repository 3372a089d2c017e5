// per_thread() is a thread_local object that may be used until the very end of its thread: events
// are also tracked from destructors of static objects, when the main thread's own have been
// destroyed.
//
// Place:     scratch memory on the caller's way, which an allocation per event would slow down.
// Threads:   every thread has its own.
// Lifetime:  the thread's. What is used after that is made anew, once, and never destroyed.
// Failure:   throws what T's constructor throws.
#pragma once

namespace postbox {

// `Tag` tells objects of the same type apart.
template <class T, class Tag>
T& per_thread() {
  thread_local bool ended = false;  // these two have no destructors: they can be read to the end
  thread_local T* late = nullptr;
  struct Owner {
    T object{};
    ~Owner() { ended = true; }
  };
  if (ended) {
    if (late == nullptr) late = new T{};
    return *late;
  }
  thread_local Owner owner;
  return owner.object;
}

}  // namespace postbox

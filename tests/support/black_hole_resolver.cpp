#include "black_hole_resolver.hpp"

#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <mutex>
#include <string_view>

#include "http_exchange.hpp"

namespace postbox::test {
namespace {

struct State {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;  // look-ups pass
  int waiting = 0;
  bool expired = false;
};

State& state() {
  static State instance;
  return instance;
}

void wait_in_the_black_hole() {
  State& all = state();
  std::unique_lock lock(all.mutex);
  if (all.open) return;
  ++all.waiting;
  all.changed.notify_all();
  if (!all.changed.wait_for(lock, kPatience, [&] { return all.open; })) all.expired = true;
  --all.waiting;
  all.changed.notify_all();
}

}  // namespace

BlackHoleResolver::BlackHoleResolver() {
  const std::lock_guard lock(state().mutex);
  state().open = false;
  state().expired = false;
}

BlackHoleResolver::~BlackHoleResolver() {
  std::unique_lock lock(state().mutex);
  state().open = true;
  state().changed.notify_all();
  state().changed.wait(lock, [] { return state().waiting == 0; });
}

void BlackHoleResolver::wait_for_look_up() {
  std::unique_lock lock(state().mutex);
  state().changed.wait(lock, [] { return state().waiting > 0; });
}

bool BlackHoleResolver::expired() const {
  const std::lock_guard lock(state().mutex);
  return state().expired;
}

}  // namespace postbox::test

extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* node,
                                                                  const char* service,
                                                                  const addrinfo* hints,
                                                                  addrinfo** result) {
  using Function = decltype(&getaddrinfo);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (node != nullptr && node == std::string_view(postbox::test::BlackHoleResolver::kName)) {
    postbox::test::wait_in_the_black_hole();
    return EAI_AGAIN;
  }
  return real(node, service, hints, result);
}

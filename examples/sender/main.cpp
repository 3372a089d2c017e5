// sender: for shops whose servers are written in other languages. They tell events by SQL, in the
// transactions of their orders; this program brings them to Klaviyo.
//
//   POSTBOX_OUTBOX=postgres://postbox@db.internal/shop sender

#include <pthread.h>

#include <csignal>
#include <iostream>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_postgres/told_events.hpp>
#include <postbox/postgres_backend.hpp>

int main() {
  // Waited for, not handled: the threads that are made below inherit the mask.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto config = klaviyo::Config::from_env();
  if (!config) return std::cerr << config.error().message << '\n', 1;
  config->engine.outbox.backends.push_back(&postbox::postgres_backend());
  auto tracker = klaviyo::start(*config);
  if (!tracker) return std::cerr << tracker.error().message << '\n', 1;
  auto told = klaviyo::ToldEvents::start(*tracker, config->engine.outbox.url);
  if (!told) return std::cerr << told.error().message << '\n', 1;
  std::cout << "sending" << std::endl;

  int received = 0;
  while (sigwait(&signals, &received) == 0 && received == SIGHUP) {
    if (const auto reloaded = tracker->reload(); !reloaded) {
      std::cerr << reloaded.error().message << '\n';
    }
  }
  return 0;
}

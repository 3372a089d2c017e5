// Server serves a Simulator on a port of the loopback.
//
// Place:     made by main() and by tests; everything else is below it.
// Threads:   start() and stop() belong to one thread; each connection is served by a thread of its
//            own, which the accept thread makes.
// Lifetime:  stop() is idempotent, is called by the destructor, and takes no longer than the
//            request that is being carried out: it ends idle connections and scripted delays.
// Failure:   start() returns 0 when the port cannot be had; nothing throws.
#pragma once

#include <memory>

#include "simulator.hpp"

namespace sim {

struct ServerOptions {
  // Defaults to 0: a free port.
  int port = 0;
  // `wait` is ignored: the server waits so that stop() can end it.
  SimulatorOptions simulator;
};

class Server {
 public:
  Server();
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and serves. Returns the port, or 0 when it cannot be had. May follow stop().
  int start(ServerOptions options);

  void stop();

  // The simulator of the last start(); not to be called before it. It outlives stop().
  Simulator& simulator();

 private:
  class Listener;
  std::unique_ptr<Simulator> simulator_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace sim

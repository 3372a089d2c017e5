// klaviyo-sim: a local Klaviyo over HTTP.

#include <pthread.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "http_server.hpp"

namespace {

constexpr int kProblem = 1;
constexpr int kWrongUse = 2;

struct Arguments {
  sim::ServerOptions server;
  std::string faults_file;
};

void describe(CLI::App& app, Arguments& arguments) {
  app.description("A local Klaviyo: takes events over HTTP on 127.0.0.1 and shows what it took.");
  app.footer(
      "Example:\n"
      "  klaviyo-sim --port 8080 --key pk_local --faults faults.json\n"
      "  curl http://127.0.0.1:8080/sim/stats");
  app.add_option("--port", arguments.server.port, "Port on 127.0.0.1; 0 picks a free one")
      ->required()
      ->check(CLI::Range(0, 65535));
  app.add_option("--key", arguments.server.simulator.keys,
                 "Private key to accept (pk_...); may be repeated. Without it, any is accepted")
      ->check(CLI::Validator(
          [](std::string& key) {
            const bool ok = key.rfind("pk_", 0) == 0 && key.size() > 3;
            return ok ? std::string() : std::string("a private key begins with pk_");
          },
          "pk_..."));
  app.add_option("--scopes", arguments.server.simulator.scopes,
                 "What the keys may do, such as events:write,accounts:read. Without it, everything")
      ->delimiter(',');
  app.add_flag("!--no-limits", arguments.server.simulator.limits, "Switch the rate limits off");
  app.add_option("--faults", arguments.faults_file, "JSON file with faults to play");
}

// Signals are waited for, not handled: every thread made later inherits the mask.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

bool load_faults(const std::string& path, sim::Simulator& simulator) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "klaviyo-sim: cannot read " << path << '\n';
    return false;
  }
  const std::string script{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (const auto reason = simulator.set_faults(script)) {
    std::cerr << "klaviyo-sim: " << path << ": " << *reason << '\n';
    return false;
  }
  return true;
}

int run(const Arguments& arguments) {
  const sigset_t signals = block_stop_signals();
  sim::Server server;
  const int port = server.start(arguments.server);
  if (port == 0) {
    std::cerr << "klaviyo-sim: cannot listen on port " << arguments.server.port << '\n';
    return kProblem;
  }
  if (!arguments.faults_file.empty() && !load_faults(arguments.faults_file, server.simulator())) {
    return kProblem;
  }
  std::cout << "listening on 127.0.0.1:" << port << std::endl;
  int received = 0;
  sigwait(&signals, &received);
  server.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app;
  describe(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  return run(arguments);
}

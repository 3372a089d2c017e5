// DoctorSetUp is a good set-up that a test breaks: settings in a file, an outbox, a server that
// sends from it, and the local Klaviyo.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <http_server.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <string>
#include <utility>
#include <vector>

#include "command_run.hpp"
#include "support/outbox_fixture.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::testing {

class DoctorSetUp {
 public:
  static constexpr const char* kApiKey = "pk_0123456789abcdef0123";

  DoctorSetUp() {
    klaviyo.simulator.keys = {kApiKey};
    klaviyo.simulator.limits = false;
    variables = {{"KLAVIYO_API_KEY", kApiKey},
                 {"KLAVIYO_PURCHASE_EVENTS_ENABLED", "true"},
                 {"KLAVIYO_CART_ABANDONED_ENABLED", "5%"},
                 {"VITE_APP_URL", "https://shop.goldenacre.example"},
                 {"POSTBOX_OUTBOX", "sqlite:" + outbox_file()},
                 {"POSTBOX_MAX_DISK", "8MiB"},
                 {"STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef"}};
  }

  // The parts of the set-up; a test changes them before doctor runs.
  std::map<std::string, std::string> variables;
  std::optional<std::string> whole_file{};
  std::string more_lines{};  // of the environment file
  sim::ServerOptions klaviyo{};
  std::string faults = "[]";  // a script
  std::vector<std::shared_ptr<void>> kept{};

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] std::string outbox_file() const { return folder_.file("postbox.db"); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path() / name, std::ios::binary) << text;
  }

  // The outbox as of a clock that is `ago` behind, closed again with what returns.
  [[nodiscard]] std::shared_ptr<Outbox> open(std::chrono::hours ago = {},
                                             const std::string& encryption_key = {}) const {
    OutboxOptions options;
    if (!encryption_key.empty()) options.encryption_keys = {encryption_key};
    options.url = "sqlite:" + outbox_file();
    options.max_disk = mebibytes(8);
    const auto wall =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now() - ago);
    return open_outbox(options, std::make_shared<ManualClock>(wall)).value();
  }

  void append(std::uint32_t count, std::chrono::hours ago = {}) const {
    ASSERT_TRUE(open(ago)->append(events(1, count)));
  }

  // Holds the lock of the process that sends.
  void run_sender() {
    const int lock =
        ::open((outbox_file() + "-sender").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
    kept.push_back(std::shared_ptr<void>(nullptr, [lock](void*) { ::close(lock); }));
  }

  // Runs doctor, and keeps what it wrote.
  nlohmann::json examine(std::vector<std::string> more = {}) {
    const int port = server_.start(klaviyo);
    variables.try_emplace("KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(port));
    EXPECT_EQ(server_.simulator().set_faults(faults), std::nullopt);
    std::string text;
    for (const auto& [name, value] : variables) text += name + '=' + value + '\n';
    write("shop.env", whole_file.value_or(text + more_lines));
    std::vector<std::string> arguments{"doctor", "--json", "--env-file", path("shop.env")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    run = run_postbox(std::move(arguments));
    EXPECT_EQ(run.err, "");
    return nlohmann::json::parse(run.out);
  }

  [[nodiscard]] const sim::Simulator& simulator() { return server_.simulator(); }

  CommandRun run{};

 private:
  tests::TemporaryFolder folder_;
  sim::Server server_;
};

// "problem key: Klaviyo does not know the key", of the findings that are warnings or problems.
inline std::vector<std::string> complaints(const nlohmann::json& diagnosis) {
  std::vector<std::string> found;
  for (const auto& finding : diagnosis["findings"]) {
    const std::string level = finding["level"];
    if (level == "ok" || level == "note") continue;
    EXPECT_NE(finding["advice"], "") << finding["what"];
    found.push_back(level + ' ' + std::string(finding["topic"]) + ": " +
                    std::string(finding["what"]));
  }
  return found;
}

}  // namespace postbox::testing

// CommandShop is a shop whose tracker has an outbox in a file, for commands that look after it.
//
// Place:     below the tests of single commands.
// Threads:   the test's thread; the tracker has none.
// Lifetime:  each test has its own folder, removed at the end.
// Failure:   an ordinary test failure.
#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <klaviyo/klaviyo.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <postbox/operator.hpp>
#include <postbox/services.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <string>
#include <vector>

#include "command_run.hpp"
#include "support/raw_file.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::testing {

using namespace std::chrono_literals;

// What must not stand in any output without --reveal.
inline constexpr std::array kPersonal{"ines",    "goldenacre", "4917012345",
                                      "Marlowe", "user-42",    "Rue Verte"};

class CommandShop : public ::testing::Test {
 protected:
  CommandShop() {
    settings_ = {{"KLAVIYO_API_KEY", "pk_0123456789abcdef"},
                 {"POSTBOX_OUTBOX", "sqlite:" + folder_.file("outbox.db")},
                 {"KLAVIYO_PURCHASE_EVENTS_ENABLED", "true"},
                 {"KLAVIYO_CART_ABANDONED_ENABLED", "true"},
                 {"KLAVIYO_CART_QUIET_TIME", "0s"},
                 {"VITE_APP_URL", "https://shop.goldenacre.example"}};
    write_settings();
  }

  // An empty value removes.
  void set(const std::string& variable, const std::string& value) {
    settings_[variable] = value;
    write_settings();
  }

  [[nodiscard]] std::string env_file() const { return folder_.file("shop.env"); }
  [[nodiscard]] std::string outbox_file() const { return folder_.file("outbox.db"); }
  [[nodiscard]] klaviyo::Config config() const {
    auto config = klaviyo::Config::from_env_of(kPrefix, env_file());
    EXPECT_TRUE(config) << config.error().message;
    config->engine.log = [this](LogLevel, std::string_view line) {
      log_ += std::string(line) + '\n';
    };
    return *std::move(config);
  }

  // Starts the server, or starts it anew with the settings of now.
  void start() {
    tracker_.reset();
    auto started =
        klaviyo::start(config(), Services{.http = http_, .clock = clock_, .threads = false});
    ASSERT_TRUE(started) << started.error().message;
    tracker_.emplace(*std::move(started));
  }
  void stop() { tracker_.reset(); }

  // Lets the server work for so long.
  void work(std::chrono::milliseconds time = 2s) {
    for (std::chrono::milliseconds done{0}; done < time; done += 100ms) {
      tracker_->run_once();
      clock_->advance(100ms);
    }
    tracker_->run_once();
  }

  void answer(int status, const std::string& body = {}) {
    http_->on_request([=](const HttpRequest&) { return ScriptedHttpClient::answer(status, body); });
  }

  // Klaviyo refuses everything, with the customer's address in what it says.
  void refuse() {
    answer(400, R"({"errors":[{"code":"invalid","detail":"'ines@goldenacre.example' is wrong",)"
                R"("source":{"pointer":"/data/attributes/profile"}}]})");
  }

  // An order of one line: two events.
  [[nodiscard]] static klaviyo::Order order(const std::string& id) {
    klaviyo::Order order;
    order.order_id = id;
    order.currency = "EUR";
    order.customer.email = "ines@goldenacre.example";
    order.customer.phone = "+491701234567";
    order.customer.external_id = "user-42";
    order.customer.last_name = "Marlowe";
    order.shipping_address = klaviyo::Address{.address1 = "Rue Verte 1"};
    auto& item = order.items.emplace_back();
    item.product_id = "P1";
    item.name = "Tea";
    item.quantity = 1;
    item.unit_price = {1250};
    return order;
  }
  void buy(const std::string& id) { (void)tracker_->track(klaviyo::order_placed(order(id))); }

  // Runs a command on this shop's account. Whatever it writes, it writes nothing personal, unless
  // asked to.
  CommandRun run(std::vector<std::string> arguments, const std::string& input = {},
                 bool can_ask = false) {
    const bool reveals = std::ranges::find(arguments, "--reveal") != arguments.end();
    arguments.insert(arguments.end(), {"--env-file", env_file(), "--prefix", kPrefix});
    CommandRun result = run_postbox(std::move(arguments), input, can_ask, pause_);
    for (const char* personal : kPersonal) {
      if (reveals) break;
      EXPECT_EQ(result.out.find(personal), std::string::npos) << result.out;
      EXPECT_EQ(result.err.find(personal), std::string::npos) << result.err;
    }
    return result;
  }

  // The same with --json: what it wrote, or a discarded value.
  nlohmann::json run_json(std::vector<std::string> arguments, int expected = cli::kDone) {
    arguments.emplace_back("--json");
    const CommandRun result = run(std::move(arguments));
    EXPECT_EQ(result.code, expected) << result.out << result.err;
    auto json = nlohmann::json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result.out;
    return json;
  }

  // Changes the outbox's file by itself. No server may run.
  void execute(const std::string& sql) { tests::RawConnection(outbox_file()).execute(sql.c_str()); }

  // Changes every stored payload, as a bad disk does.
  void damage_payloads() {
    for (const char* table : {"outbox", "outbox_dead"}) {
      execute(std::string("UPDATE ") + table + " SET payload = CAST('x' || payload AS BLOB)");
    }
  }

  static constexpr const char* kPrefix = "PBT_";

  tests::TemporaryFolder folder_;
  std::map<std::string, std::string> settings_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) - 1h);
  std::shared_ptr<ScriptedHttpClient> http_ = std::make_shared<ScriptedHttpClient>();
  mutable std::string log_;
  std::function<bool(std::chrono::milliseconds)> pause_{};  // of whoever waits in a command
  std::optional<Tracker> tracker_;

 private:
  void write_settings() const {
    std::ofstream file(env_file());
    for (const auto& [variable, value] : settings_) {
      if (!value.empty()) file << kPrefix << variable << '=' << value << '\n';
    }
  }
};

}  // namespace postbox::testing

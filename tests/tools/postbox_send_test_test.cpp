// The command `postbox send-test`, against the local Klaviyo.

#include <gmock/gmock.h>

#include <fstream>
#include <http_server.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "command_run.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class SendTest : public ::testing::Test {
 protected:
  SendTest() {
    klaviyo_.simulator.keys = {kKey};
    klaviyo_.simulator.limits = false;
  }

  // Runs the command; whoever waits for the next look waits no time.
  CommandRun send(std::vector<std::string> arguments, const std::string& email = kEmail) {
    const int port = server_.start(klaviyo_);
    EXPECT_EQ(server_.simulator().set_faults(faults_), std::nullopt);
    variables_["KLAVIYO_API_URL"] = "http://127.0.0.1:" + std::to_string(port);
    std::ofstream file(folder_.file("shop.env"));
    for (const auto& [name, value] : variables_) file << name << '=' << value << '\n';
    file.close();
    arguments.insert(arguments.begin(),
                     {"send-test", "--email", email, "--env-file", folder_.file("shop.env")});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    cli::Console console{.in = in, .out = out, .err = err};
    console.pause = [this](std::chrono::milliseconds) {
      ++pauses_;
      return true;
    };
    const int code = cli::run_command_line(std::move(arguments), console);
    return {.code = code, .out = out.str(), .err = err.str()};
  }

  // The events that Klaviyo has recorded, with their metrics.
  nlohmann::json recorded() {
    sim::Request request;
    request.method = "GET";
    request.path = "/api/events";
    request.headers = {{"authorization", std::string("Klaviyo-API-Key ") + kKey},
                       {"revision", "2026-10-15"}};
    request.query.emplace("include", "metric");
    return nlohmann::json::parse(server_.simulator().handle(request).body);
  }

  static constexpr const char* kKey = "pk_0123456789abcdef0123";
  static constexpr const char* kEmail = "ines@goldenacre.example";

  tests::TemporaryFolder folder_;
  sim::ServerOptions klaviyo_;
  std::map<std::string, std::string> variables_{{"KLAVIYO_API_KEY", kKey}};
  std::string faults_ = "[]";
  sim::Server server_;
  int pauses_ = 0;
};

TEST_F(SendTest, FollowsOneMarkedEventUntilItIsReadable) {
  const CommandRun run = send({});
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  for (const char* step : {"reached the account Simulated Shop", "checked and stored: Placed Order",
                           "accepted by Klaviyo", "readable through the API"}) {
    EXPECT_THAT(run.out, HasSubstr(std::string("ms  ") + step));
  }
  const auto events = recorded();
  ASSERT_EQ(events["data"].size(), 1U);
  const auto properties = events["data"][0]["attributes"]["event_properties"];
  EXPECT_THAT(std::string(properties["PostboxTest"]), StartsWith("postbox-test-"));
  EXPECT_EQ(properties["$event_id"], properties["PostboxTest"]);
  EXPECT_EQ(properties["$value"], 0);
}

TEST_F(SendTest, SendsAnEventOfEachKind) {
  const std::map<std::string, std::string> metrics{{"purchase", "Placed Order"},
                                                   {"subscription", "Subscription Started"},
                                                   {"cart", "Cart Updated"}};
  for (const auto& [kind, metric] : metrics) {
    const CommandRun run = send({"--event", kind, "--json"});
    EXPECT_EQ(run.code, cli::kDone) << run.err;
    const auto answer = nlohmann::json::parse(run.out);
    EXPECT_EQ(answer["metric"], metric);
    ASSERT_EQ(answer["done"], true);
    EXPECT_EQ(answer["steps"].back()["step"], "readable");
    const auto events = recorded();
    ASSERT_EQ(events["data"].size(), 1U) << kind;
    EXPECT_EQ(events["included"][0]["attributes"]["name"], metric);
  }
}

TEST_F(SendTest, CallsTheMetricAsTheAccountDoes) {
  variables_["KLAVIYO_METRIC_NAMES"] = "Placed Order=Bought";
  variables_["KLAVIYO_DISABLED_METRICS"] = "Placed Order";
  EXPECT_THAT(send({}).out, HasSubstr("checked and stored: Bought"));
  EXPECT_EQ(recorded()["included"][0]["attributes"]["name"], "Bought");
}

TEST_F(SendTest, LeavesTheOutboxOfTheServerAlone) {
  variables_["POSTBOX_OUTBOX"] = "sqlite:" + folder_.file("postbox.db");
  EXPECT_EQ(send({}).code, cli::kDone);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("postbox.db")));
}

TEST_F(SendTest, RefusesAnAddressThatKlaviyoDropsSilently) {
  for (const char* email : {"ines@example.com", "INES@Test.com ", "ines"}) {
    const CommandRun run = send({}, email);
    EXPECT_EQ(run.code, cli::kWrongUse) << email;
    EXPECT_THAT(run.err, HasSubstr("customer.email")) << email;
    EXPECT_THAT(recorded()["data"], IsEmpty());
  }
}

TEST_F(SendTest, SaysThatAKeyMayNotReadWhatItHasSent) {
  klaviyo_.simulator.scopes = {"events:write"};
  const CommandRun run = send({});
  EXPECT_EQ(run.code, cli::kDone);
  EXPECT_THAT(run.out, AllOf(HasSubstr("accepted by Klaviyo"), HasSubstr("lacks events:read"),
                             Not(HasSubstr("readable through the API"))));
}

TEST_F(SendTest, SaysThatAKeyMayNotSend) {
  klaviyo_.simulator.scopes = {"accounts:read"};
  const CommandRun run = send({});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("HTTP 403 permission_denied"));
  EXPECT_THAT(run.err, HasSubstr("events:write"));
}

TEST_F(SendTest, SaysWhatKlaviyoDoesNotLike) {
  faults_ = R"([{"match":{"method":"POST"},"times":-1,"status":400}])";
  const CommandRun run = send({"--json"});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("Failed to send Klaviyo purchase event: HTTP 400"));
  EXPECT_EQ(nlohmann::json::parse(run.out)["done"], false);
}

TEST_F(SendTest, SaysWhyKlaviyoIsNotReached) {
  variables_["KLAVIYO_API_KEY"] = "pk_ffffffffffffffffffff";
  EXPECT_THAT(send({}).err, HasSubstr("Klaviyo does not know the key"));
  variables_.erase("KLAVIYO_API_KEY");
  EXPECT_THAT(send({}).err, HasSubstr("KLAVIYO_API_KEY is not set"));
}

TEST_F(SendTest, LooksAgainUntilTheEventIsThere) {
  faults_ = R"([{"match":{"method":"GET","path":"/api/events"},"times":3,"status":200,
                 "body":"{\"data\":[]}"}])";
  EXPECT_EQ(send({}).code, cli::kDone);
  EXPECT_EQ(pauses_, 3);
}

TEST_F(SendTest, GivesUpOnAnEventThatIsNeverShown) {
  faults_ = R"([{"match":{"method":"GET","path":"/api/events"},"times":-1,"status":503}])";
  const CommandRun run = send({"--timeout", "10s"});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("did not show it within 10s (last answer: HTTP 503)"));
  EXPECT_EQ(pauses_, 10);
}

TEST_F(SendTest, UsedWronglySaysHow) {
  EXPECT_EQ(run_postbox({"send-test"}).code, cli::kWrongUse);
  EXPECT_EQ(send({"--event", "refund"}).code, cli::kWrongUse);
  EXPECT_EQ(send({"--timeout", "soon"}).code, cli::kWrongUse);
}

TEST_F(SendTest, NeverShowsTheAddressOrTheKey) {
  const CommandRun run = send({});
  EXPECT_THAT(run.out + run.err, AllOf(Not(HasSubstr("ines@")), Not(HasSubstr("0123456789"))));
}

}  // namespace
}  // namespace postbox::testing

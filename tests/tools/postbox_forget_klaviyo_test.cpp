// The command `postbox forget --at-klaviyo`, against the local Klaviyo.

#include <atomic>
#include <http_server.hpp>
#include <set>

#include "command_shop.hpp"

namespace postbox::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ForgetAtKlaviyo : public CommandShop {
 protected:
  // Two events of Ines wait here, and Klaviyo has a profile of hers and one of Ben's.
  void SetUp() override {
    sim_.keys = {"pk_0123456789abcdef"};
    sim_.limits = false;
    sim_.now = [this] { return std::chrono::system_clock::time_point(now_.load()); };
    pause_ = [this](milliseconds time) {
      if (time > 0ms) pauses_.push_back(time);
      now_ = now_.load() + time;
      if (on_pause_) on_pause_();
      return !is_ended_;
    };
    serve();
    start();
    refuse();
    buy("1001");
    work();
  }

  void serve() {
    const int port = klaviyo_.start({.port = 0, .simulator = sim_});
    set("KLAVIYO_API_URL", "http://127.0.0.1:" + std::to_string(port));
    import({{ "email", "ines@goldenacre.example" }});
    import({{ "email", "ben@silverhill.example" }});
  }

  sim::Response ask(const std::string& method, const std::string& path, sim::Json body = {}) {
    sim::Request request;
    request.method = method;
    request.path = path;
    request.headers = {{"authorization", "Klaviyo-API-Key pk_0123456789abcdef"},
                       {"revision", "2026-10-15"},
                       {"content-type", "application/vnd.api+json"}};
    if (!body.is_null()) request.body = body.dump();
    return klaviyo_.simulator().handle(request);
  }
  void import(const sim::Json& identifiers) {
    const auto answer = ask("POST", "/api/profile-import",
                            {{"data", {{"type", "profile"}, {"attributes", identifiers}}}});
    EXPECT_EQ(answer.status / 100, 2) << answer.body;
  }

  // The addresses and ids of the profiles that Klaviyo has.
  std::set<std::string> at_klaviyo() {
    std::set<std::string> found;
    const auto list = sim::Json::parse(ask("GET", "/api/profiles").body);
    for (const auto& profile : list["data"]) {
      for (const char* name : {"email", "phone_number", "external_id"}) {
        const auto& value = profile["attributes"][name];
        if (value.is_string()) found.insert(value.get<std::string>());
      }
    }
    return found;
  }
  std::uint64_t jobs() {
    return klaviyo_.simulator().stats().by_path["/api/data-privacy-deletion-jobs"];
  }
  void play(const std::string& faults) {
    ASSERT_EQ(klaviyo_.simulator().set_faults(faults), std::nullopt);
  }

  CommandRun forget(std::vector<std::string> more = {"--yes"}) {
    std::vector<std::string> words = {"forget", "ines@goldenacre.example", "--at-klaviyo"};
    words.insert(words.end(), more.begin(), more.end());
    return run(std::move(words));
  }
  std::size_t dead() { return run_json({"dead", "list"})["events"].size(); }

  sim::SimulatorOptions sim_;
  std::atomic<std::chrono::system_clock::duration> now_{
      std::chrono::system_clock::now().time_since_epoch()};
  std::vector<milliseconds> pauses_;
  std::function<void()> on_pause_;
  bool is_ended_ = false;
  sim::Server klaviyo_;
};

TEST_F(ForgetAtKlaviyo, FollowsTheDeletionToItsEnd) {
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  for (const char* step :
       {"Klaviyo has 1 profile of this person", "removed 2 events and timers from the outbox",
        "asked Klaviyo to delete the profile, by the e-mail address", "gone from Klaviyo",
        "Klaviyo has no profile of this person"}) {
    EXPECT_THAT(run.out, HasSubstr(step));
  }
  EXPECT_THAT(run.err, HasSubstr("Klaviyo still has 1 profile after 1s"));
  EXPECT_THAT(run.out, Not(HasSubstr("what Klaviyo has")));
  EXPECT_THAT(at_klaviyo(), ElementsAre("ben@silverhill.example"));
  EXPECT_EQ(dead(), 0U);
}

TEST_F(ForgetAtKlaviyo, SaysAsJsonWhatWasDone) {
  const auto done = run_json({"forget", "ines@goldenacre.example", "--at-klaviyo", "--yes"});
  EXPECT_EQ(done["events"], 2);
  EXPECT_EQ(done["waiting"], 0);
  EXPECT_EQ(done["klaviyo"]["profiles"], 1);
  EXPECT_EQ(done["klaviyo"]["gone"], true);
  EXPECT_EQ(done["klaviyo"]["steps"].size(), 4U);
  EXPECT_THAT(done["to_do"], Each(Not(HasSubstr("what Klaviyo has"))));
}

TEST_F(ForgetAtKlaviyo, IsNotAskedUnlessItIsSaid) {
  const auto done = run_json({"forget", "ines@goldenacre.example", "--yes"});
  EXPECT_TRUE(done["klaviyo"].is_null());
  EXPECT_THAT(done["to_do"], Contains(HasSubstr("--at-klaviyo")));
  EXPECT_THAT(at_klaviyo(), Contains("ines@goldenacre.example"));
  EXPECT_EQ(jobs(), 0U);
}

TEST_F(ForgetAtKlaviyo, ADryRunChangesNothing) {
  const CommandRun run = forget({"--dry-run"});
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("Klaviyo has 1 profile"), HasSubstr("would remove 2 events"),
                             HasSubstr("would ask Klaviyo to delete the profile")));
  EXPECT_EQ(jobs(), 0U);
  EXPECT_EQ(dead(), 2U);
  EXPECT_EQ(run_json({"forget", "ines@goldenacre.example", "--dry-run"})["events"], 2);
  EXPECT_EQ(dead(), 2U);
}

TEST_F(ForgetAtKlaviyo, AsksFirst) {
  const CommandRun run = forget({});
  EXPECT_EQ(run.code, cli::kWrongUse);
  EXPECT_THAT(run.err, HasSubstr("Remove what waits of this person and their profile at Klaviyo"));
  EXPECT_EQ(jobs(), 0U);
  EXPECT_EQ(dead(), 2U);
}

TEST_F(ForgetAtKlaviyo, RemovesHereWhatAKeyMayNotDeleteThere) {
  sim_.scopes = {"profiles:read", "events:write", "profiles:write"};
  serve();
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, AllOf(HasSubstr("The key lacks data-privacy:write"),
                             HasSubstr("Klaviyo was not asked to delete the profile"),
                             HasSubstr("make a private key"), HasSubstr("By hand")));
  EXPECT_THAT(run.out, HasSubstr("what Klaviyo has: it is not known to be gone"));
  EXPECT_EQ(dead(), 0U);
}

TEST_F(ForgetAtKlaviyo, SaysThatItCannotFollowWithAKeyThatMayNotLook) {
  sim_.scopes = {"data-privacy:write", "profiles:write"};
  serve();
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, AllOf(HasSubstr("Klaviyo has accepted the deletion"),
                             HasSubstr("lacks profiles:read"), HasSubstr("/account/deleted")));
  EXPECT_EQ(jobs(), 1U);
  const auto by_id = forget({"--external-id", "42", "--yes"});
  EXPECT_EQ(by_id.code, cli::kProblem);
  EXPECT_THAT(by_id.err, HasSubstr("needs profiles:read. Nothing was removed"));
}

TEST_F(ForgetAtKlaviyo, WaitsWhileKlaviyoIsBusyOrInTrouble) {
  play(R"([{"match":{"method":"POST"},"status":429,"retry_after":7},
           {"match":{"method":"POST"},"times":2,"status":503,"html":true},
           {"match":{"method":"POST"},"reset":true,"after":true},
           {"match":{"method":"GET"},"status":429},
           {"match":{"method":"GET"},"status":500}])");
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kDone) << run.out << run.err;
  EXPECT_THAT(pauses_, Contains(milliseconds(7'000)));
  EXPECT_THAT(at_klaviyo(), ElementsAre("ben@silverhill.example"));
}

TEST_F(ForgetAtKlaviyo, GivesUpAtTheTimeout) {
  sim_.deletion_time = 1h;
  serve();
  const CommandRun run = forget({"--yes", "--timeout", "90s"});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, AllOf(HasSubstr("it was not over within the timeout"),
                             HasSubstr("Klaviyo goes on by itself")));
  milliseconds waited{0};
  for (const milliseconds pause : pauses_) waited += pause;
  EXPECT_EQ(waited, 90s);
}

TEST_F(ForgetAtKlaviyo, EndsWhenItIsToldTo) {
  on_pause_ = [this] { is_ended_ = pauses_.size() == 2; };
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("it was not over when this was ended"));
}

TEST_F(ForgetAtKlaviyo, RemovesNothingWhereKlaviyoCannotBeAsked) {
  set("KLAVIYO_API_URL", "http://127.0.0.1:1");
  const CommandRun unreached = forget();
  EXPECT_EQ(unreached.code, cli::kProblem);
  EXPECT_THAT(unreached.err, AllOf(HasSubstr("Klaviyo is not reached"),
                                   HasSubstr("Nothing was removed"), HasSubstr("firewall")));
  EXPECT_THAT(pauses_, IsEmpty());
  serve();
  set("KLAVIYO_API_KEY", "pk_ffffffffffffffff");
  EXPECT_THAT(forget().err, HasSubstr("Klaviyo does not know the key"));
  set("KLAVIYO_API_KEY", "");
  EXPECT_THAT(forget().err, HasSubstr("KLAVIYO_API_KEY is not set, and --at-klaviyo needs it"));
  EXPECT_EQ(dead(), 2U);
}

TEST_F(ForgetAtKlaviyo, SaysWhatKlaviyoDoesNotLikeWithoutTheAddress) {
  const std::string body =
      R"({"errors":[{"code":"invalid","title":"'ines@goldenacre.example' is wrong.",)"
      R"("detail":"ines@goldenacre.example","source":{"pointer":"/data/attributes"}}]})";
  play(sim::Json::array({{{"match", {{"method", "POST"}}}, {"status", 400}, {"body", body}}})
           .dump());
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("Klaviyo refuses this: HTTP 400 invalid"));
}

TEST_F(ForgetAtKlaviyo, FindsOutThatTheShopStillReportsThePerson) {
  on_pause_ = [this] {
    if (pauses_.empty() || pauses_.back() != 10s) return;
    import({{ "email", "ines@goldenacre.example" }});
  };
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("Klaviyo has a new profile of this person"));
}

TEST_F(ForgetAtKlaviyo, RemovesWhatTheShopHasReportedMeanwhile) {
  on_pause_ = [this] {
    if (pauses_.size() != 1) return;
    buy("1002");
    tracker_->run_once();
    on_pause_ = {};
  };
  const CommandRun run = forget();
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Meanwhile 2 events of this person had come to the outbox"));
  EXPECT_EQ(run_json({"events", "--order", "1002"})["events"].size(), 0U);
}

TEST_F(ForgetAtKlaviyo, CountsWhatAServerMayHaveInItsHands) {
  http_->hang(true);
  buy("1003");
  work();
  const auto done = run_json({"forget", "ines@goldenacre.example", "--at-klaviyo", "--yes"});
  EXPECT_EQ(done["events"], 4);
  EXPECT_EQ(done["waiting"], 2);
}

TEST_F(ForgetAtKlaviyo, FindsThePersonByEachIdentifier) {
  import({{ "phone_number", "+491701234567" }});
  import({{ "external_id", "user-42" }});
  const CommandRun run =
      forget({"--phone", "+49 170 1234567", "--external-id", "user-42", "--yes"});
  EXPECT_EQ(run.code, cli::kDone) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("Klaviyo has 3 profiles"), HasSubstr("by the phone number"),
                             HasSubstr("by its id at Klaviyo")));
  EXPECT_THAT(at_klaviyo(), ElementsAre("ben@silverhill.example"));
  EXPECT_EQ(jobs(), 3U);
}

TEST_F(ForgetAtKlaviyo, AsksForNothingWhereKlaviyoKnowsNobody) {
  const auto done = run_json({"forget", "--external-id", "user-43", "--at-klaviyo", "--yes"});
  EXPECT_EQ(done["klaviyo"]["profiles"], 0);
  EXPECT_EQ(done["klaviyo"]["gone"], true);
  EXPECT_EQ(jobs(), 0U);
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(ForgetAtKlaviyo, AnAddressOfAnyFormIsFound) {
  import({{ "email", "o'hara&+%#?=a@silverhill.example" }});
  const auto done =
      run_json({"forget", "o'hara&+%#?=a@silverhill.example", "--at-klaviyo", "--yes"});
  EXPECT_EQ(done["klaviyo"]["profiles"], 1);
  EXPECT_EQ(done["klaviyo"]["gone"], true);
}

}  // namespace
}  // namespace postbox::testing

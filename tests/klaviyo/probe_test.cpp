// The probe of a key: from an answer to a finding, and the whole against the local Klaviyo.

#include <gmock/gmock.h>

#include <http_server.hpp>
#include <klaviyo/probe.hpp>
#include <klaviyo/request.hpp>
#include <postbox/testing/scripted_http_client.hpp>

namespace klaviyo {
namespace {

using namespace std::chrono_literals;
using postbox::HttpResponse;
using postbox::TransportFailure;
using postbox::TransportFault;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Property;
using Level = FindingLevel;

constexpr const char* kAccount =
    R"({"data":[{"type":"account","id":"AbC123","attributes":{"test_account":false,
        "contact_information":{"organization_name":"Golden Acre"},"preferred_currency":"EUR"}}]})";

std::string refusal(const std::string& code) {
  return R"({"errors":[{"id":"1","code":")" + code + R"(","title":"No.","detail":"No."}]})";
}

constexpr const char* kPage = "<!DOCTYPE html><title>Sign in</title>";

Config with_key() {
  Config config;
  config.api_key = "pk_0123456789abcdef";
  return config;
}

struct Fault {
  ProbeAnswer answer;
  Level level;
  const char* topic;
  const char* what;
};

TEST(Probe, NamesWhatStandsBetween) {
  const std::vector<Fault> faults{
      {TransportFailure{TransportFault::kDns, "no such host"}, Level::kProblem, "network", "DNS"},
      {TransportFailure{TransportFault::kConnect, "refused"}, Level::kProblem, "network",
       "connect"},
      {TransportFailure{TransportFault::kTls, "unknown CA"}, Level::kProblem, "network", "TLS"},
      {TransportFailure{TransportFault::kTimeout, "15 s"}, Level::kProblem, "network", "time-out"},
      {TransportFailure{TransportFault::kReset, ""}, Level::kProblem, "network", "reset"},
      {TransportFailure{TransportFault::kProtocol, ""}, Level::kProblem, "network", "not HTTP"},
      {HttpResponse{200, {{"content-type", "text/html"}}, kPage}, Level::kProblem, "network",
       "A web page answers"},
      {HttpResponse{200, {}, R"({"ok":true})"}, Level::kProblem, "network", "Something else"},
      {HttpResponse{204, {}, ""}, Level::kProblem, "network", "Something else"},
      {HttpResponse{404, {}, "not here"}, Level::kProblem, "network", "Something else"},
      {HttpResponse{403, {{"cf-mitigated", "challenge"}}, kPage}, Level::kProblem, "network",
       "Cloudflare"},
      {HttpResponse{407, {}, ""}, Level::kProblem, "network", "A proxy wants a name"},
      {HttpResponse{302, {{"location", "https://x"}}, ""}, Level::kProblem, "network",
       "leads on to another"},
      {HttpResponse{503, {}, ""}, Level::kWarning, "network", "in trouble"},
      {HttpResponse{502, {{"content-type", "text/html"}}, kPage}, Level::kProblem, "network",
       "A web page"},
      {HttpResponse{401, {}, refusal("not_authenticated")}, Level::kProblem, "key",
       "does not know the key"},
      {HttpResponse{400, {}, refusal("authentication_failed")}, Level::kProblem, "key",
       "does not know the key"},
      {HttpResponse{404, {}, refusal("not_found")}, Level::kProblem, "revision", "refuses"},
      {HttpResponse{410, {}, refusal("gone")}, Level::kProblem, "revision", "refuses"},
  };
  for (const Fault& fault : faults) {
    const auto found = connection_fault(fault.answer);
    ASSERT_TRUE(found) << fault.what;
    EXPECT_EQ(found->level, fault.level) << fault.what;
    EXPECT_EQ(found->topic, fault.topic) << fault.what;
    EXPECT_THAT(found->what, HasSubstr(fault.what));
    EXPECT_THAT(found->advice, Not(IsEmpty())) << fault.what;
  }
}

TEST(Probe, TakesAnAnswerOfTheApiAsReached) {
  EXPECT_FALSE(connection_fault(HttpResponse{200, {}, kAccount}));
  EXPECT_FALSE(connection_fault(HttpResponse{403, {}, refusal("permission_denied")}));
  EXPECT_FALSE(connection_fault(HttpResponse{429, {}, refusal("throttled")}));
}

TEST(Probe, ReadsTheAccount) {
  const auto account = account_of(HttpResponse{200, {}, kAccount});
  ASSERT_TRUE(account);
  EXPECT_EQ(account->id, "AbC123");
  EXPECT_EQ(account->name, "Golden Acre");
  EXPECT_EQ(account->currency, "EUR");
  EXPECT_FALSE(account->is_test);
}

TEST(Probe, ReadsNoAccountOutOfAnythingElse) {
  for (const char* body : {"", "[]", "{}", R"({"data":[]})", R"({"data":[7]})", R"({"data":{}})"}) {
    EXPECT_FALSE(account_of(HttpResponse{200, {}, body})) << body;
  }
  EXPECT_FALSE(account_of(HttpResponse{403, {}, kAccount}));
}

TEST(Probe, ComparesTheClocks) {
  const HttpResponse response{200, {{"date", "Sun, 22 Nov 2026 10:00:00 GMT"}}, ""};
  const postbox::WallTime now(std::chrono::sys_days(2026y / 11 / 22) + 10h);
  const auto level = [&](std::chrono::seconds ahead) {
    return clock_finding(response, now + ahead)->level;
  };
  EXPECT_EQ(level(0s), Level::kOk);
  EXPECT_EQ(level(59s), Level::kOk);
  EXPECT_EQ(level(-60s), Level::kWarning);
  EXPECT_EQ(level(299s), Level::kWarning);
  EXPECT_EQ(level(300s), Level::kProblem);
  EXPECT_THAT(clock_finding(response, now + 1h)->what, HasSubstr("60 minutes ahead of"));
  EXPECT_THAT(clock_finding(response, now - 1h)->what, HasSubstr("60 minutes behind"));
  EXPECT_FALSE(clock_finding(HttpResponse{200, {}, ""}, now));
  EXPECT_FALSE(clock_finding(HttpResponse{200, {{"date", "soon"}}, ""}, now));
}

TEST(Probe, KnowsTheAgeOfARevision) {
  const std::chrono::sys_days today = 2026y / 11 / 27;
  const auto level = [&](const char* revision) { return revision_finding(revision, today).level; };
  EXPECT_EQ(level("2026-10-15"), Level::kOk);
  EXPECT_EQ(level("2026-01-15"), Level::kOk);
  EXPECT_EQ(level("2025-10-15"), Level::kNote);
  EXPECT_EQ(level("2025-04-15"), Level::kWarning);
  EXPECT_EQ(level("2024-10-15"), Level::kProblem);
  EXPECT_EQ(level("2027-01-15"), Level::kWarning);
  EXPECT_EQ(level("2026-10-15.pre"), Level::kWarning);
  EXPECT_EQ(level("2026-13-45"), Level::kProblem);
  EXPECT_THAT(revision_finding("2026-10-15", today).what, HasSubstr("until 2028-10-15"));
}

TEST(Probe, TheDefaultRevisionLivesToday) {
  const std::chrono::sys_days today = 2026y / 11 / 27;
  EXPECT_EQ(revision_finding(Config().revision, today).level, Level::kOk);
}

TEST(Probe, AnEndpointsAnswerSaysWhetherTheKeyMay) {
  const ScopeQuestion question{"events:write", "send events", Level::kProblem, {}};
  const auto level = [&](ProbeAnswer answer) { return scope_finding(question, answer).level; };
  EXPECT_EQ(level(HttpResponse{400, {}, refusal("invalid")}), Level::kOk);
  EXPECT_EQ(level(HttpResponse{422, {}, refusal("invalid")}), Level::kOk);
  EXPECT_EQ(level(HttpResponse{202, {}, ""}), Level::kOk);
  EXPECT_EQ(level(HttpResponse{403, {}, refusal("permission_denied")}), Level::kProblem);
  EXPECT_EQ(level(HttpResponse{401, {}, refusal("not_authenticated")}), Level::kProblem);
  EXPECT_EQ(level(HttpResponse{410, {}, refusal("gone")}), Level::kProblem);
  EXPECT_EQ(level(HttpResponse{429, {}, refusal("throttled")}), Level::kNote);
  EXPECT_EQ(level(HttpResponse{503, {}, ""}), Level::kWarning);
  EXPECT_EQ(level(HttpResponse{403, {{"content-type", "text/html"}}, kPage}), Level::kProblem);
  EXPECT_EQ(level(HttpResponse{400, {}, "filtered"}), Level::kProblem);
  EXPECT_EQ(level(TransportFailure{TransportFault::kReset, ""}), Level::kWarning);
}

TEST(Probe, AMissingScopeIsAProblemForAFamilyThatIsOn) {
  Config config = with_key();
  config.set(kProfile, postbox::Flag::on());
  for (const ScopeQuestion& question : scope_questions(config)) {
    const bool is_needed = question.scopes == "profiles:write" || question.scopes == "events:write";
    EXPECT_EQ(question.if_missing >= Level::kWarning, is_needed) << question.what_for;
  }
}

TEST(Probe, AsksNothingMoreOfWhoDoesNotKnowTheKey) {
  postbox::testing::ScriptedHttpClient http;
  http.on_request([](const auto&) {
    return postbox::testing::ScriptedHttpClient::answer(401, refusal("authentication_failed"));
  });
  const ProbeReport report = probe(with_key(), http, *postbox::system_clock());
  EXPECT_EQ(http.requests().size(), 1U);
  EXPECT_EQ(report.findings.back().topic, "key");
}

class ProbeOfLocalKlaviyo : public ::testing::Test {
 protected:
  ProbeReport probe_with(std::optional<std::vector<std::string>> scopes) {
    sim::ServerOptions options;
    options.simulator.keys = {"pk_0123456789abcdef"};
    options.simulator.scopes = std::move(scopes);
    Config config = with_key();
    config.api_url = "http://127.0.0.1:" + std::to_string(server_.start(options));
    const auto http = postbox::curl_http_client(config.engine.http);
    return probe(config, **http, *postbox::system_clock());
  }

  sim::Server server_;
};

auto of(Level level, const char* what) {
  return AllOf(Field(&Finding::level, level), Field(&Finding::what, HasSubstr(what)));
}

TEST_F(ProbeOfLocalKlaviyo, LeavesNothingBehind) {
  const ProbeReport report = probe_with(std::nullopt);
  EXPECT_THAT(report.findings, Each(Field(&Finding::level, Level::kOk)));
  ASSERT_TRUE(report.account);
  EXPECT_TRUE(report.account->is_test);
  const sim::Stats stats = server_.simulator().stats();
  EXPECT_EQ(stats.events.recorded + stats.events.dropped, 0U);
  EXPECT_EQ(stats.requests, 10U);
  EXPECT_EQ(stats.answers.at(400), 6U);
}

TEST_F(ProbeOfLocalKlaviyo, FindsEachScopeThatIsMissing) {
  const ProbeReport report = probe_with({{"events:write"}});
  EXPECT_FALSE(report.account);
  EXPECT_THAT(
      report.findings,
      ::testing::IsSupersetOf(
          {of(Level::kNote, "accounts:read"), of(Level::kOk, "may send events (events:write)"),
           of(Level::kOk, "may send many events"), of(Level::kNote, "may not set profiles"),
           of(Level::kNote, "may not subscribe"), of(Level::kNote, "may not look events up"),
           of(Level::kNote, "it lacks metrics:read"), of(Level::kNote, "it lacks profiles:read"),
           of(Level::kNote, "it lacks data-privacy:write")}));
}

TEST_F(ProbeOfLocalKlaviyo, OneScopeThatIsMissingIsOneFinding) {
  const ProbeReport report = probe_with({{"accounts:read"}});
  EXPECT_EQ(std::ranges::count(report.findings, Level::kProblem, &Finding::level), 1);
  EXPECT_EQ(std::ranges::count(report.findings, Level::kWarning, &Finding::level), 0);
}

TEST_F(ProbeOfLocalKlaviyo, NoFindingHoldsTheKey) {
  using Scopes = std::optional<std::vector<std::string>>;
  for (const Scopes& scopes : {Scopes(), Scopes(std::vector<std::string>())}) {
    for (const Finding& finding : probe_with(scopes).findings) {
      EXPECT_THAT(finding.what + finding.advice, Not(HasSubstr("0123456789")));
    }
  }
}

}  // namespace
}  // namespace klaviyo

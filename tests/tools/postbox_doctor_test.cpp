// The command `postbox doctor`: silent on a good set-up, and naming the one fault of each broken
// one. Settings and network here, the outbox in postbox_doctor_outbox_test.cpp.

#include <doctor_config.hpp>
#include <doctor_settings.hpp>
#include <functional>

#include "doctor_setup.hpp"
#include "support/loopback_server.hpp"
#include "support/tls_layer.hpp"

namespace postbox::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

struct BrokenSetup {
  const char* name;
  std::function<void(DoctorSetUp&)> by;
  const char* complaint;  // a part of the only one
  int code = cli::kProblem;
};

std::function<void(DoctorSetUp&)> set(const char* variable, std::string value) {
  return [=](DoctorSetUp& shop) { shop.variables[variable] = value; };
}

std::function<void(DoctorSetUp&)> unset(const char* variable) {
  return [=](DoctorSetUp& shop) { shop.variables.erase(variable); };
}

// Every answer of Klaviyo's is replaced.
std::function<void(DoctorSetUp&)> answers(const char* members) {
  return [=](DoctorSetUp& shop) {
    shop.faults = std::string(R"([{"times":-1,"match":{"path":"/api"},)") + members + "}]";
  };
}

std::function<void(DoctorSetUp&)> may_only(std::vector<std::string> scopes) {
  return [=](DoctorSetUp& shop) { shop.klaviyo.simulator.scopes = scopes; };
}

// Another server in place of Klaviyo.
std::function<void(DoctorSetUp&)> served_by(test::LoopbackServer::Script script) {
  return [=](DoctorSetUp& shop) {
    const auto server = std::make_shared<test::LoopbackServer>(script);
    shop.variables["KLAVIYO_API_URL"] = "http://" + server->authority();
    shop.kept.push_back(server);
  };
}

void refuse_connections(DoctorSetUp& shop) {
  const auto port = test::LoopbackServer(test::always("")).port();  // closed again
  shop.variables["KLAVIYO_API_URL"] = "http://127.0.0.1:" + std::to_string(port);
}

void show_unknown_certificate(DoctorSetUp& shop) {
  const auto identity = std::make_shared<test::TlsIdentity>();
  shop.kept.push_back(identity);
  const auto server =
      std::make_shared<test::LoopbackServer>(test::over_tls(*identity, test::always("")));
  shop.kept.insert(shop.kept.begin(), server);
  shop.variables["KLAVIYO_API_URL"] = "https://" + server->authority();
}

void set_clock_back(DoctorSetUp& shop) {
  shop.klaviyo.simulator.now = [] {
    return std::chrono::system_clock::now() + std::chrono::hours(1);
  };
}

const std::vector<BrokenSetup>& broken_settings() {
  static const std::vector<BrokenSetup> all{
      {"a public key", set("KLAVIYO_API_KEY", "AbC123"), "has 6 characters, as the public key"},
      {"a key of Stripe's", set("KLAVIYO_API_KEY", "sk_live_0123456789"), "begins with sk_"},
      {"a publishable key", set("KLAVIYO_API_KEY", "pk_live_0123456789"), "begins with pk_live_"},
      {"a key with a blank", set("KLAVIYO_API_KEY", "pk_0123 4567"), "holds a blank"},
      {"a key with a quote", set("KLAVIYO_API_KEY", "pk_01234567\""), "holds a quote"},
      {"a key with its header", set("KLAVIYO_API_KEY", "Klaviyo-API-Key pk_01234567"),
       "the header"},
      {"no key", unset("KLAVIYO_API_KEY"), "problem switch: KLAVIYO_API_KEY is not set"},
      {"no file of the key",
       [](DoctorSetUp& shop) {
         shop.variables.erase("KLAVIYO_API_KEY");
         shop.variables["KLAVIYO_API_KEY_FILE"] = "/nowhere/key";
       },
       "/nowhere/key"},
      {"a key twice", set("KLAVIYO_API_KEY_FILE", "/run/key"), "KLAVIYO_API_KEY_FILE"},
      {"a flag that is none", set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "5 percent"), "'5 percent'"},
      {"more than everybody", set("KLAVIYO_PURCHASE_EVENTS_ENABLED", "150%"), "'150%'"},
      {"a duration without a unit", set("POSTBOX_RETENTION", "30"), "POSTBOX_RETENTION: '30'"},
      {"a size without a unit", set("POSTBOX_MAX_DISK", "2GB"), "POSTBOX_MAX_DISK: '2GB'"},
      {"a share of two", set("KLAVIYO_QUOTA_SHARE", "2"), "KLAVIYO_QUOTA_SHARE"},
      {"a revision that is none", set("KLAVIYO_REVISION", "latest"), "KLAVIYO_REVISION: 'latest'"},
      {"the key in the clear", set("KLAVIYO_API_URL", "http://a.klaviyo.com"), "KLAVIYO_API_URL"},
      {"a short secret", set("KLAVIYO_RECOVERY_SECRET", "short"), "KLAVIYO_RECOVERY_SECRET"},
      {"a name with a slip", set("KLAVIYO_PURCHASE_EVENT_ENABLED", "true"),
       "warning settings: KLAVIYO_PURCHASE_EVENT_ENABLED is set, and nothing reads it", cli::kDone},
      {"lines that are none", [](DoctorSetUp& shop) { shop.more_lines = "what is this\n"; },
       "line 9 skipped", cli::kDone},
      {"a file in UTF-16",
       [](DoctorSetUp& shop) { shop.whole_file = std::string("\xff\xfeK\0=\0v\0", 8); }, "UTF-16"},
      {"no address for links", unset("VITE_APP_URL"), "VITE_APP_URL is not set", cli::kDone},
      {"links to this machine", set("VITE_APP_URL", "http://localhost:5173"),
       "lead to the reader's own machine", cli::kDone},
      {"links in the clear", set("VITE_APP_URL", "http://shop.goldenacre.example"),
       "are not encrypted", cli::kDone},
      {"an API key for a secret", set("STRIPE_WEBHOOK_SECRET", "sk_live_0123"),
       "STRIPE_WEBHOOK_SECRET: a secret begins with sk_"},
      {"no secret",
       [](DoctorSetUp& shop) {
         shop.variables.erase("STRIPE_WEBHOOK_SECRET");
         shop.variables["STRIPE_EVENTS"] = "checkout";
       },
       "STRIPE_WEBHOOK_SECRET is not set", cli::kDone},
      {"a key of Stripe's test mode", set("STRIPE_API_KEY", "rk_test_0123"),
       "STRIPE_API_KEY is of Stripe's test mode", cli::kDone},
  };
  return all;
}

const std::vector<BrokenSetup>& broken_ways() {
  static const std::vector<BrokenSetup> all{
      {"another key", set("KLAVIYO_API_KEY", "pk_ffffffffffffffff"),
       "problem key: Klaviyo does not know the key: HTTP 401"},
      {"no scope for events", may_only({"accounts:read", "profiles:write"}),
       "problem scope: The key may not send events: it lacks events:write"},
      {"no scope for profiles",
       [](DoctorSetUp& shop) {
         shop.variables["KLAVIYO_PROFILE_EVENTS_ENABLED"] = "true";
         shop.klaviyo.simulator.scopes = {"events:write"};
       },
       "problem scope: The key may not set profiles"},
      {"no scope for consent",
       [](DoctorSetUp& shop) {
         shop.variables["KLAVIYO_CONSENT_EVENTS_ENABLED"] = "true";
         shop.klaviyo.simulator.scopes = {"events:write", "profiles:write"};
       },
       "problem scope: The key may not subscribe"},
      {"a retired revision", set("KLAVIYO_REVISION", "2024-10-15"),
       "problem revision: The revision 2024-10-15 was retired"},
      {"a beta", set("KLAVIYO_REVISION", "2026-10-15.pre"), "is a beta", cli::kDone},
      {"a clock of an hour ago", set_clock_back,
       "problem clock: This machine's clock is 60 minutes"},
      {"a page of a proxy", answers(R"("status":200,"html":true)"),
       "problem network: A web page answers instead of Klaviyo's API (HTTP 200)"},
      {"a proxy that wants a password", answers(R"("status":407,"html":true)"),
       "problem network: A proxy wants a name and a password"},
      {"another address", answers(R"("status":301,"headers":{"Location":"https://x.example/"})"),
       "problem network: The address leads on to another one (HTTP 301)"},
      {"an outage", answers(R"("status":503)"), "warning network: Klaviyo is in trouble: HTTP 503",
       cli::kDone},
      {"connections that end", answers(R"("reset":true)"), "connection reset"},
      {"no connection", refuse_connections,
       "problem network: Klaviyo is not reached: no answer: "
       "connect"},
      {"no such host", set("KLAVIYO_API_URL", "https://klaviyo.invalid"), "no answer: DNS"},
      {"an unknown certificate", show_unknown_certificate, "no answer: TLS"},
      {"no web server", served_by(test::once("220 mail.goldenacre.example ESMTP\r\n")), "not HTTP"},
      {"another API",
       served_by(
           test::always(test::http_answer(R"({"ok":true})", "Content-Type: application/json\r\n"))),
       "Something else answers"},
      {"no certificates in the file", set("POSTBOX_CA_FILE", "/dev/null"), "/dev/null"},
  };
  return all;
}

void expect_named(const std::vector<BrokenSetup>& all) {
  for (const BrokenSetup& broken : all) {
    SCOPED_TRACE(broken.name);
    DoctorSetUp shop;
    shop.append(1);
    shop.run_sender();
    broken.by(shop);
    EXPECT_THAT(complaints(shop.examine()), ElementsAre(HasSubstr(broken.complaint)));
    EXPECT_EQ(shop.run.code, broken.code);
    EXPECT_THAT(shop.run.out, Not(HasSubstr("0123456789")));
  }
}

TEST(PostboxDoctor, IsSilentOnAGoodSetUp) {
  DoctorSetUp shop;
  shop.append(1);
  shop.run_sender();
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  EXPECT_EQ(shop.run.code, cli::kDone);
  EXPECT_EQ(shop.simulator().stats().events.recorded, 0U);
}

TEST(PostboxDoctor, IsSilentBeforeTheFirstStart) {
  DoctorSetUp shop;
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(shop.outbox_file()));
}

TEST(PostboxDoctor, NamesTheOneFaultOfEachBrokenSetting) { expect_named(broken_settings()); }
TEST(PostboxDoctor, NamesTheOneFaultOfEachBrokenWay) { expect_named(broken_ways()); }

// What only commands need is a note that names them.
TEST(PostboxDoctor, NotesTheScopesThatCommandsNeed) {
  DoctorSetUp shop;
  shop.klaviyo.simulator.scopes = {{"accounts:read", "events:write"}};
  const auto diagnosis = shop.examine();
  EXPECT_THAT(complaints(diagnosis), IsEmpty());
  EXPECT_EQ(shop.run.code, cli::kDone);
  const std::map<std::string, std::string> commands{
      {"metrics:read", "postbox report"},
      {"profiles:read", "postbox forget --at-klaviyo"},
      {"data-privacy:write", "postbox forget --at-klaviyo"},
      {"events:read", "postbox send-test"}};
  for (const auto& [scope, command] : commands) {
    EXPECT_THAT(shop.run.out, ::testing::ContainsRegex("The key may not [^\"]*" + command +
                                                       " does: it lacks " + scope))
        << scope;
  }
}

TEST(PostboxDoctor, NamesAllFaultsAtOnce) {
  DoctorSetUp shop;
  shop.variables["KLAVIYO_API_KEY"] = "AbC123";
  shop.variables["POSTBOX_RETENTION"] = "30";
  shop.variables["STRIPE_WEBHOOK_SECRET"] = "we_1";
  shop.variables.erase("VITE_APP_URL");
  EXPECT_EQ(complaints(shop.examine()).size(), 4U) << shop.run.out;
}

TEST(PostboxDoctor, SaysHowToSwitchOnWhatIsOff) {
  DoctorSetUp shop;
  shop.variables.erase("KLAVIYO_PURCHASE_EVENTS_ENABLED");
  shop.variables.erase("KLAVIYO_CART_ABANDONED_ENABLED");
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  EXPECT_THAT(shop.run.out, HasSubstr("KLAVIYO_PURCHASE_EVENTS_ENABLED=true or =5%"));
}

TEST(PostboxDoctor, SaysWhereEachSettingComesFrom) {
  DoctorSetUp shop;
  shop.variables.erase("KLAVIYO_API_KEY");
  shop.variables["KLAVIYO_API_KEY_FILE"] = "key";
  shop.write("key", DoctorSetUp::kApiKey);
  const ScopedVariable process("KLAVIYO_PURCHASE_EVENTS_ENABLED", "10%");
  const auto settings = shop.examine({"--offline"})["settings"];
  std::map<std::string, nlohmann::json> by_name;
  for (const auto& row : settings) by_name[row["name"]] = row;
  EXPECT_EQ(by_name["KLAVIYO_PURCHASE_EVENTS_ENABLED"]["from"], "environment");
  EXPECT_EQ(by_name["KLAVIYO_PURCHASE_EVENTS_ENABLED"]["value"], "10%");
  EXPECT_EQ(by_name["VITE_APP_URL"]["from"], shop.path("shop.env"));
  EXPECT_EQ(by_name["KLAVIYO_REVISION"]["from"], "default");
  EXPECT_EQ(by_name["KLAVIYO_API_KEY"]["from"],
            shop.path("shop.env") + ", by KLAVIYO_API_KEY_FILE");
  EXPECT_EQ(by_name["KLAVIYO_API_KEY"]["value"], "pk_…0123");
}

TEST(PostboxDoctor, NamesWhatTheEnvironmentOverrules) {
  DoctorSetUp shop;
  const ScopedVariable empty("KLAVIYO_PURCHASE_EVENTS_ENABLED", "");
  const ScopedVariable other("VITE_APP_URL", "https://www.goldenacre.example");
  EXPECT_THAT(complaints(shop.examine()),
              ElementsAre(HasSubstr("KLAVIYO_PURCHASE_EVENTS_ENABLED is set in " +
                                    shop.path("shop.env") + " and empty in the environment")));
  EXPECT_THAT(shop.run.out, HasSubstr("VITE_APP_URL is set in " + shop.path("shop.env") +
                                      " and has another value in the environment"));
}

TEST(PostboxDoctor, NamesTheProxyThatIsInTheWay) {
  DoctorSetUp shop;
  const auto port = test::LoopbackServer(test::always("")).port();  // closed again
  const std::string address = "http://shop:hunter2@127.0.0.1:" + std::to_string(port);
  const ScopedVariable proxy("http_proxy", address.c_str());
  EXPECT_THAT(complaints(shop.examine()), ElementsAre(HasSubstr("no answer: connect")));
  EXPECT_THAT(shop.run.out, HasSubstr("http_proxy is set: requests go through that proxy"));
  EXPECT_THAT(shop.run.out, Not(HasSubstr("hunter2")));
}

TEST(PostboxDoctor, TellsTheAccount) {
  DoctorSetUp shop;
  const auto account = shop.examine()["account"];
  EXPECT_EQ(account["name"], "Simulated Shop");
  EXPECT_EQ(account["currency"], "EUR");
  EXPECT_EQ(account["test"], true);
  EXPECT_TRUE(shop.examine({"--offline"})["account"].is_null());
}

TEST(PostboxDoctor, AsksNobodyOffline) {
  DoctorSetUp shop;
  EXPECT_THAT(complaints(shop.examine({"--offline"})), IsEmpty());
  EXPECT_EQ(shop.simulator().stats().connections, 0U);
}

TEST(PostboxDoctor, ReadsTheVariablesOfAnAccount) {
  DoctorSetUp shop;
  shop.variables = {{"US_KLAVIYO_API_KEY", "AbC123"}, {"KLAVIYO_REVISION", "latest"}};
  EXPECT_THAT(complaints(shop.examine({"--prefix", "US_"})),
              ElementsAre(HasSubstr("US_KLAVIYO_API_KEY: has 6 characters")));
}

TEST(PostboxDoctor, IsReadableWithoutJson) {
  DoctorSetUp shop;
  (void)shop.examine();
  const CommandRun run = run_postbox({"doctor", "--env-file", shop.path("shop.env")});
  EXPECT_THAT(run.out, HasSubstr("\nok       key: The key belongs to the account Simulated Shop "
                                 "(SiMu1A), currency EUR, a test account\n"));
  EXPECT_THAT(run.out, HasSubstr("\n0 problems, 0 warnings\n"));
}

TEST(PostboxDoctor, ATestModeInALiveAccountIsAWarning) {
  cli::SettingsDiagnosis settings;
  settings.uses_stripe = true;
  settings.stripe.secrets = {"whsec_1"};
  settings.stripe.test_mode = true;
  const auto level = [&settings](std::optional<klaviyo::ProbedAccount> account) {
    return cli::stripe_findings(settings, account).back().level;
  };
  EXPECT_EQ(level({{.id = "A", .name = "A", .currency = "EUR", .is_test = false}}),
            cli::FindingLevel::kWarning);
  EXPECT_EQ(level({{.id = "A", .name = "A", .currency = "EUR", .is_test = true}}),
            cli::FindingLevel::kNote);
  EXPECT_EQ(level(std::nullopt), cli::FindingLevel::kNote);
}

TEST(PostboxDoctor, KnowsThisMachine) {
  for (const char* url : {"http://localhost", "http://localhost:5173/x", "https://127.0.0.2",
                          "http://[::1]:80", "http://0.0.0.0:80"}) {
    EXPECT_TRUE(cli::is_loopback(url)) << url;
  }
  for (const char* url : {"https://shop.goldenacre.example", "https://localhost.goldenacre.example",
                          "https://shop.goldenacre.example/localhost"}) {
    EXPECT_FALSE(cli::is_loopback(url)) << url;
  }
}

TEST(PostboxDoctor, CountsTheLettersOfASlip) {
  EXPECT_EQ(cli::letters_apart("KLAVIYO_API_KEY", "KLAVIYO_API_KEY"), 0U);
  EXPECT_EQ(cli::letters_apart("KLAVIYO_API_KEYS", "KLAVIYO_API_KEY"), 1U);
  EXPECT_EQ(cli::letters_apart("KLAVYIO_API_KEY", "KLAVIYO_API_KEY"), 2U);
  EXPECT_EQ(cli::letters_apart("", "abc"), 3U);
}

}  // namespace
}  // namespace postbox::testing

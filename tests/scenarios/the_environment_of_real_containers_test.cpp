// Environment files and values as containers, dotenv libraries and mounted secrets have them (F04,
// F05 of the shared folder, and ours): the real server starts and works, or names what is wrong.
// Never does it start and answer every webhook with 400.
#include "support/base64.hpp"
#include "support/field_shop.hpp"
#include "support/stripe_events.hpp"

namespace postbox::tests {
namespace {

class RealContainers : public FieldShop {
 protected:
  // An order and a webhook arrive; of the family that is off, nothing does.
  void expect_works(bool is_on = true) {
    ASSERT_NE(server->port(), 0) << log();
    const auto [status, answer] = buy(order("1").dump());
    EXPECT_EQ(status, 201) << answer;
    EXPECT_EQ(answer["events"], is_on ? "accepted" : "disabled");
    EXPECT_EQ(deliver(stripe_event("checkout.session.completed", stripe_session()).dump()), 200);
    std::multiset<std::string> placed;
    for (const Json& event : events()) {
      if (event["metric"] == "Placed Order") placed.insert(event["email"]);
    }
    if (is_on) {
      EXPECT_EQ(placed,
                (std::multiset<std::string>{"customer-1@goldenacre.example", kStripeEmail}));
    } else {
      EXPECT_TRUE(placed.empty());
    }
  }

  // The server has ended with an error that names the variable or the file, and shows no secret.
  void expect_refusal(const std::string& named) {
    ASSERT_EQ(server->port(), 0) << "it has started: " << log();
    EXPECT_EQ(server->wait(), 1);
    EXPECT_NE(log().find(named), std::string::npos) << log();
    for (const char* secret : {"pk_demo", "fieldtest", "AbC123"}) {
      EXPECT_EQ(log().find(secret), std::string::npos) << log();
    }
  }

  // Starts the server with what says nothing of the purchases' flag but `file`.
  void start_with_file(const std::string& file) {
    (void)serve({{"KLAVIYO_PURCHASE_EVENTS_ENABLED", nullptr}}, file);
  }

  // How many lines of the log say that lines were skipped.
  [[nodiscard]] std::size_t warnings() const {
    std::istringstream lines(log());
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.find("not NAME=VALUE") != std::string::npos) ++count;
    }
    return count;
  }
};

TEST_F(RealContainers, F04EveryFileStartsTheServerOrIsRefusedByName) {
  const Json files = field_case("F04.json");
  if (files.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, base64] : files.items()) {
    SCOPED_TRACE(name);
    start_with_file(decoded_base64(base64));
    if (name.starts_with("UTF-16")) {
      expect_refusal("UTF-16");
    } else if (name == "dollar expansion") {
      expect_refusal("KLAVIYO_PURCHASE_EVENTS_ENABLED: line 2: ");
    } else {
      expect_works(name != "double key, last empty");
      EXPECT_LE(warnings(), 1U) << log();
    }
  }
}

TEST_F(RealContainers, AFileThatOthersShareStartsTheServer) {
  const std::string on = "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n";
  struct File {
    std::string text;
    std::size_t warnings;
  };
  for (const auto& [text, skipped] : std::vector<File>{
           {"\xef\xbb\xbf" + on, 0},
           {"\xef\xbb\xbf\r\n# shop\r\nKLAVIYO_PURCHASE_EVENTS_ENABLED=true # on\r\n", 0},
           {"CERT='-----BEGIN\nTWO=2\n-----END'\n" + on, 0},
           {"JSON=\"{\\\"a\\\": \\\"b\\\"}\"\nexport   " + on, 0},
           {"log.level=1\nLOG: debug\nexport A\nif true; then\nfi\n" + on, 1},
           {"Q=\"x\";\nW=it's\n  KLAVIYO_PURCHASE_EVENTS_ENABLED = 'true'  \n", 1},
           {"OLD=1\rKLAVIYO_PURCHASE_EVENTS_ENABLED=\"true\"\r", 0}}) {
    SCOPED_TRACE(text);
    start_with_file(text);
    expect_works();
    EXPECT_EQ(warnings(), skipped) << log();
  }
  start_with_file("KLAVIYO_PURCHASE_EVENTS_ENABLED=on please\n");
  expect_refusal("KLAVIYO_PURCHASE_EVENTS_ENABLED: ");
}

TEST_F(RealContainers, F05EveryValueIsTrimmedOrRefusedByName) {
  const Json cases = field_case("F05.json");
  if (cases.is_null()) GTEST_SKIP() << "no cases from the field";
  const std::set<std::string> refused = {"key with a newline inside",
                                         "key with 'Klaviyo-API-Key ' before it",
                                         "public key (6 characters)",
                                         "outbox ~",
                                         "outbox $HOME",
                                         "outbox sqlite://relative"};
  for (const auto& [name, variables] : cases.items()) {
    SCOPED_TRACE(name);
    Json own = variables;
    for (Json& value : own) {
      if (value.is_null()) value = "\"http://127.0.0.1:" + std::to_string(klaviyo_port) + "\"";
      std::string text = value;
      const auto at = text.find("FOLDER");
      if (at != std::string::npos) value = text.replace(at - 1, 7, folder.path().string());
    }
    (void)serve(own);
    if (!refused.contains(name)) {
      expect_works();
    } else {
      expect_refusal(own.begin().key() + ": ");
    }
  }
}

TEST_F(RealContainers, AWebhookSecretIsTrimmedOrRefusedByName) {
  for (const char* works :
       {"\"whsec_fieldtest\"", "'whsec_fieldtest'", "whsec_fieldtest\r\n", "whsec_fieldtest\u00a0",
        "\ufeffwhsec_fieldtest", "\"whsec_fieldtest\n\"", " whsec_old , whsec_fieldtest ",
        "\"whsec_old\",\"whsec_fieldtest\"", "whsec_old,\nwhsec_fieldtest\n"}) {
    SCOPED_TRACE(works);
    (void)serve({{"STRIPE_WEBHOOK_SECRET", works}});
    expect_works();
  }
  for (const char* bad :
       {"sk_live_fieldtest", "rk_live_fieldtest", "pk_live_fieldtest", "we_fieldtest", "whsec_",
        "whsec_fieldtest;whsec_old", "whsec_fieldtest,", "whsec_fieldtest whsec_old",
        "whsec_field\ntest", "whsec_fieldtest,sk_live_fieldtest", "WHSEC_fieldtest", "fieldtest",
        "***"}) {
    SCOPED_TRACE(bad);
    (void)serve({{"STRIPE_WEBHOOK_SECRET", bad}});
    expect_refusal("STRIPE_WEBHOOK_SECRET: ");
  }
}

TEST_F(RealContainers, WithoutAWebhookSecretStripeIsToldToComeAgain) {
  for (const char* empty : {"", "\"\"", "\n", "\ufeff"}) {
    ASSERT_TRUE(serve({{"STRIPE_WEBHOOK_SECRET", empty}})) << log();
    EXPECT_EQ(deliver("{}"), 503);
  }
}

TEST_F(RealContainers, EverythingThatIsWrongIsNamedAtOnce) {
  (void)serve({{"KLAVIYO_API_KEY", "AbC123"},
               {"KLAVIYO_PURCHASE_EVENTS_ENABLED", "maybe"},
               {"STRIPE_WEBHOOK_SECRET", "we_fieldtest"},
               {"STRIPE_TEST_MODE", "maybe"}});
  for (const char* name : {"KLAVIYO_API_KEY: ", "KLAVIYO_PURCHASE_EVENTS_ENABLED: ",
                           "STRIPE_WEBHOOK_SECRET: ", "STRIPE_TEST_MODE: "}) {
    EXPECT_NE(log().find(name), std::string::npos) << log();
  }
  expect_refusal("KLAVIYO_API_KEY: ");
}

TEST_F(RealContainers, AListMayStandOnSeveralLines) {
  (void)serve({{"KLAVIYO_DISABLED_METRICS", nullptr}, {"STRIPE_EVENTS", "checkout,\n  refunds\n"}},
              "KLAVIYO_DISABLED_METRICS=\"Ordered Product,\n  Started Checkout\n\"\n");
  expect_works();
  EXPECT_EQ(recorded().count("Ordered Product"), 0U);
}

TEST_F(RealContainers, SecretsMayStandInMountedFiles) {
  std::ofstream(folder.file("key")) << "\"pk_demo0000000000000000000000000001\"\n";
  std::ofstream(folder.file("whsec")) << "\xef\xbb\xbfwhsec_fieldtest\r\n";
  (void)serve({{"KLAVIYO_API_KEY", nullptr},
               {"KLAVIYO_API_KEY_FILE", folder.file("key")},
               {"STRIPE_WEBHOOK_SECRET", nullptr},
               {"STRIPE_WEBHOOK_SECRET_FILE", folder.file("whsec") + "\n"}});
  expect_works();
  (void)serve(
      {{"STRIPE_WEBHOOK_SECRET", nullptr}, {"STRIPE_WEBHOOK_SECRET_FILE", folder.file("none")}});
  expect_refusal("STRIPE_WEBHOOK_SECRET_FILE: ");
}

}  // namespace
}  // namespace postbox::tests

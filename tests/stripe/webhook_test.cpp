#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

using Names = std::vector<std::string>;

TEST(StripeWebhook, AnAddressThatIsForgottenIsNotUsedAgain) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  EXPECT_EQ(shop.webhook().forget("JENNY@goldenacre.example ").value(), 1U);
  EXPECT_EQ(shop.webhook().forget("no address").value(), 0U);
  shop.deliver(stripe_trial_ending().dump());
  shop.pass(5min);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
}

TEST(StripeWebhook, AnAddressThatKlaviyoWouldDropIsNotUsed) {
  StripeShop shop;
  Json session = stripe_session();
  session["customer"] = nullptr;
  session["customer_details"]["email"] = "somebody@example.com";
  shop.deliver(stripe_event("checkout.session.completed", session).dump());
  EXPECT_EQ(shop.recorded_identifiers(), Names{"pi_1"});
}

TEST(StripeWebhook, WithoutItsFactStoreItGoesOn) {
  StripeShop shop;
  shop.config.fact_store_path = "/nonexistent/folder/facts.db";
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).status, 200);
  EXPECT_EQ(shop.recorded_identifiers(), Names{"cus_1"});
  EXPECT_GE(shop.log.size(), 2U);
}

TEST(StripeWebhook, TheFactStoreIsForItsOwnerOnly) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  struct stat status {};
  ASSERT_EQ(stat(shop.config.fact_store_path->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(StripeWebhook, WhatCannotBeKeptIsAnsweredWith503) {
  StripeShop shop;
  shop.tracker->stop(1s);
  EXPECT_EQ(shop.deliver(stripe_purchase()[2].dump()).status, 503);
}

TEST(StripeWebhook, WhatNoEventCanBeMadeOfIsAnsweredWith400AndLogged) {
  StripeShop shop;
  Json session = stripe_session();
  session["amount_total"] = "3000";
  const auto answer = shop.deliver(stripe_event("checkout.session.completed", session).dump());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.reason, "data.object.amount_total must be an integer, found string");
  EXPECT_EQ(shop.log.back(),
            "Stripe webhook: a body cannot be mapped: data.object.amount_total must be an integer, "
            "found string");
}

TEST(StripeWebhook, ABodyBeyondTheLimitIsRefusedAndOneUpToItIsNot) {
  StripeShop shop;
  shop.config.max_body = kibibytes(256);
  std::string body = stripe_event("price.created", {{"id", "price_1"}}).dump();
  body.resize(256 * 1024, ' ');
  EXPECT_EQ(shop.deliver(body).status, 200);
  EXPECT_EQ(shop.deliver(body + " ").status, 400);
}

TEST(StripeWebhook, WithoutASecretEverythingIsAnsweredWith503) {
  StripeShop shop;
  shop.config.secrets.clear();
  EXPECT_EQ(shop.deliver(stripe_trial_ending().dump()).status, 503);
}

TEST(StripeWebhook, RefusalsAreLoggedOnceInAWhileWithoutTheBody) {
  StripeShop shop;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(shop.webhook().handle("{}", "t=1,v1=00").status, 400);
  shop.pass(31s);
  EXPECT_EQ(shop.webhook().handle("{}", "").status, 400);
  shop.restart_webhook();
  EXPECT_EQ(shop.log, (Names{"Stripe webhooks start: STRIPE_WEBHOOK_SECRET=(1 secret), "
                             "STRIPE_TEST_MODE=true, STRIPE_EVENTS=" +
                                 shop.config.reports.to_string() + ", STRIPE_API_KEY=none",
                             "Stripe webhook: refused: signature_mismatch",
                             "Stripe webhook: refused: signature_mismatch (2 more in 30 seconds)",
                             "Stripe webhook: refused: missing_header (1 more in 30 seconds)"}));
}

TEST(StripeWebhook, EveryDeliveryIsCountedOnce) {
  StripeShop shop;
  const auto deliver = [&](const Json& body) { shop.deliver(body.dump()); };
  deliver(stripe_purchase()[2]);
  deliver(stripe_trial_ending());
  deliver(stripe_event("price.created", {{"id", "price_1"}}));
  Json bad = stripe_purchase()[2];
  bad["data"]["object"]["currency"] = nullptr;
  deliver(bad);
  EXPECT_EQ(shop.webhook().handle("{}", "").status, 400);
  stripe::Counts counts = shop.webhook().counts();
  EXPECT_EQ(counts.received, 5U);
  EXPECT_EQ(counts.waited, 0U);  // the session has told the address
  EXPECT_EQ(counts.tracked, 2U);
  EXPECT_EQ(counts.ignored, 1U);
  EXPECT_EQ(counts.unusable, 1U);
  EXPECT_EQ(counts.refused, 1U);

  Json stranger = stripe_trial_ending();
  stranger["id"] = "evt_stranger";
  stranger["data"]["object"]["id"] = "sub_2";
  stranger["data"]["object"]["customer"] = "cus_2";
  deliver(stranger);
  EXPECT_EQ(shop.webhook().counts().waiting, 1U);
  shop.pass(5min);
  counts = shop.webhook().counts();
  EXPECT_EQ(counts.waited, 1U);
  EXPECT_EQ(counts.waiting, 0U);
  EXPECT_EQ(counts.released, 1U);
  EXPECT_EQ(counts.incomplete, 1U);
  shop.tracker->stop(1s);
  deliver(stripe_purchase()[2]);
  counts = shop.webhook().counts();
  EXPECT_EQ(counts.failed, 1U);
  EXPECT_EQ(counts.received, counts.refused + counts.unusable + counts.ignored + counts.tracked +
                                 counts.disabled + counts.waited + counts.failed);
}

// As the tracker: the program works, and nothing is kept.
TEST(StripeWebhook, WithoutAKeyItIsAnsweredWith200AndCountedAsDisabled) {
  StripeShop shop;
  auto inert = klaviyo::start(klaviyo::Config{}, {.clock = shop.clock, .threads = false});
  ASSERT_TRUE(inert);
  auto webhook = stripe::Webhook::start(shop.config, *inert);
  ASSERT_TRUE(webhook);
  const std::string body = stripe_purchase()[2].dump();
  const auto answer =
      webhook->handle(body, stripe::sign(body, StripeShop::kSecret, shop.clock->wall_now()));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.reason, "1 disabled");
  EXPECT_EQ(webhook->counts().disabled, 1U);
}

// A fact store for each name would begin again with each name.
TEST(StripeWebhook, ItsFactStoreIsBesideTheOutboxWhateverItsName) {
  StripeShop shop;
  std::filesystem::create_directory(shop.folder.file("data"));
  std::filesystem::create_symlink("data/real.db", shop.folder.file("link.db"));
  shop.config.fact_store_path.reset();
  const std::string body = stripe_event("customer.created", stripe_customer()).dump();
  for (const char* name : {"link.db", "data/real.db"}) {
    klaviyo::Config settings;
    settings.engine.outbox.url = "sqlite:" + shop.folder.file(name);
    settings.engine.log = nullptr;
    auto tracker = klaviyo::start(settings, {.clock = shop.clock, .threads = false}).value();
    auto webhook = stripe::Webhook::start(shop.config, tracker).value();
    const auto signature = stripe::sign(body, StripeShop::kSecret, shop.clock->wall_now());
    EXPECT_EQ(webhook.handle(body, signature).status, 200);
  }
  EXPECT_TRUE(std::filesystem::exists(shop.folder.file("data/real.db-stripe")));
  EXPECT_FALSE(std::filesystem::exists(shop.folder.file("link.db-stripe")));
}

TEST(StripeWebhook, OneThatWasMovedFromAnswers503) {
  StripeShop shop;
  auto webhook = stripe::Webhook::start(shop.config, *shop.tracker).value();
  const stripe::Webhook moved = std::move(webhook);
  EXPECT_EQ(webhook.handle("{}", "").status, 503);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(webhook.counts().received, 0U);
  EXPECT_EQ(webhook.forget("a@goldenacre.example").error().code, ErrorCode::kClosed);
  EXPECT_EQ(webhook.run_once(), std::nullopt);
}

TEST(StripeWebhook, ReloadTakesOverSecretsWithoutARestart) {
  const TemporaryFolder folder;
  const std::string file = folder.file(".env");
  std::ofstream(file) << "STRIPE_WEBHOOK_SECRET=whsec_old\n";
  StripeShop shop;
  const stripe::Config read = stripe::Config::from_env(file).value();
  shop.config.secrets = read.secrets;
  shop.config.environment_file = read.environment_file;
  shop.config.needs_environment_file = read.needs_environment_file;
  auto webhook = stripe::Webhook::start(shop.config, *shop.tracker).value();
  const auto status_with = [&](const char* secret) {
    const std::string body = R"({"id":"evt_1","object":"event","type":"a.b","livemode":true})";
    return webhook.handle(body, stripe::sign(body, secret, shop.clock->wall_now())).reason;
  };
  EXPECT_EQ(status_with("whsec_new"), "signature_mismatch");
  EXPECT_NE(status_with("whsec_old"), "signature_mismatch");

  std::ofstream(file) << "STRIPE_WEBHOOK_SECRET=whsec_new, sk_live_x\n";
  const auto refused = webhook.reload();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("STRIPE_WEBHOOK_SECRET: "));
  EXPECT_NE(status_with("whsec_old"), "signature_mismatch") << "nothing has changed";

  std::ofstream(folder.file("secret")) << "whsec_new\n";
  std::ofstream(file) << "STRIPE_WEBHOOK_SECRET_FILE=secret\n";
  ASSERT_TRUE(webhook.reload());
  EXPECT_EQ(status_with("whsec_old"), "signature_mismatch");
  EXPECT_NE(status_with("whsec_new"), "signature_mismatch");

  std::filesystem::remove(file);
  EXPECT_FALSE(webhook.reload()) << "the file was there";
  EXPECT_NE(status_with("whsec_new"), "signature_mismatch");
  shop.config.environment_file.reset();
  auto in_code = stripe::Webhook::start(shop.config, *shop.tracker).value();
  EXPECT_EQ(in_code.reload().error().code, ErrorCode::kInvalidArgument);
}

TEST(StripeWebhook, ReloadSaysWhatHasChangedAndWhatNeedsARestartAndNoSecret) {
  const TemporaryFolder folder;
  const std::string file = folder.file(".env");
  std::ofstream(file) << "STRIPE_WEBHOOK_SECRET=whsec_old\n";
  StripeShop shop;
  std::vector<std::string> lines;
  stripe::Config config = stripe::Config::from_env(file).value();
  config.api_url = "http://127.0.0.1:1";  // set in code, which is no change of the environment's
  config.fact_store_path = "";
  config.clock = shop.clock;
  config.threads = false;
  config.log = [&](LogLevel, std::string_view line) { lines.emplace_back(line); };
  auto webhook = stripe::Webhook::start(config, *shop.tracker).value();
  const auto said_by_reload_of = [&](const std::string& text) {
    lines.clear();
    std::ofstream(file) << text;
    EXPECT_TRUE(webhook.reload());
    return lines;
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(said_by_reload_of("STRIPE_WEBHOOK_SECRET=whsec_old\n"), Strings{});
  EXPECT_EQ(said_by_reload_of("STRIPE_WEBHOOK_SECRET=whsec_new\nSTRIPE_EVENTS=refunds\n"
                              "STRIPE_TEST_MODE=true\nSTRIPE_API_KEY=rk_secret\n"
                              "STRIPE_API_URL=https://proxy.example/\n"),
            (Strings{"Stripe configuration changed: STRIPE_WEBHOOK_SECRET (1 secret) -> (1 secret) "
                     "(another)",
                     "Stripe configuration changed: STRIPE_TEST_MODE false -> true",
                     "Stripe configuration changed: STRIPE_EVENTS checkout, invoices, "
                     "subscriptions, refunds, disputes, abandoned -> refunds",
                     "Stripe configuration changed: STRIPE_API_KEY none -> (set)",
                     "set, but needs a restart: STRIPE_API_URL https://api.stripe.com -> "
                     "https://proxy.example"}));
  EXPECT_EQ(
      said_by_reload_of("STRIPE_WEBHOOK_SECRET=whsec_new,whsec_old\n"),
      (Strings{"Stripe configuration changed: STRIPE_WEBHOOK_SECRET (1 secret) -> (2 secrets)",
               "Stripe configuration changed: STRIPE_TEST_MODE true -> false",
               "Stripe configuration changed: STRIPE_EVENTS refunds -> checkout, invoices, "
               "subscriptions, refunds, disputes, abandoned",
               "Stripe configuration changed: STRIPE_API_KEY (set) -> none"}));
}

TEST(StripeWebhook, AThinEventIsRefusedAndTheLogSaysWhatToDo) {
  StripeShop shop;
  const auto thin = [&](const char* type) {
    return shop.deliver(Json{{"id", "evt_1"},
                             {"object", "v2.core.event"},
                             {"type", type},
                             {"created", "2026-11-27T08:00:00.000Z"},
                             {"livemode", true},
                             {"related_object", {{"id", "in_1"}, {"type", "invoice"}}}}
                            .dump());
  };
  EXPECT_EQ(thin("v1.invoice.paid").status, 400);
  ASSERT_GE(shop.log.size(), 2U);
  EXPECT_NE(shop.log.back().find("snapshot"), std::string::npos);
  EXPECT_EQ(thin("v1.billing.meter.error_report_triggered").status, 200);
  EXPECT_EQ(shop.webhook().unhandled().at("v1.billing.meter.error_report_triggered"), 1U);
}

TEST(StripeWebhook, ATypeOfWhichNothingIsMadeIsCountedAndLoggedOnce) {
  StripeShop shop;
  for (int i = 0; i < 3; ++i) {
    shop.deliver(stripe_event("charge.succeeded", stripe_charge(0), nullptr, i).dump());
  }
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  const std::map<std::string, std::uint64_t> expected = {{"charge.succeeded", 3}};
  EXPECT_EQ(shop.webhook().unhandled(), expected);
  EXPECT_EQ(std::ranges::count_if(
                shop.log,
                [](const std::string& line) { return line.find("charge.succeeded") != line.npos; }),
            1);
}

TEST(StripeWebhook, WhatIsReportedIsChosen) {
  const auto reports = stripe::Reports::parse("subscriptions, refunds");
  ASSERT_TRUE(reports);
  StripeShop shop;
  shop.config.reports = *reports;
  for (const Json& body : stripe_purchase()) EXPECT_EQ(shop.deliver(body.dump()).status, 200);
  shop.pass(6min);
  for (const Json& event : shop.recorded()) EXPECT_NE(event["metric"], "Placed Order");
  EXPECT_EQ(shop.recorded().size(), 2U);
  EXPECT_EQ(stripe::Reports::parse("all")->to_string(),
            "checkout, invoices, subscriptions, refunds, disputes, abandoned, payment_intents");
  EXPECT_EQ(stripe::Reports::parse("\"refunds\",\n subscriptions\u00a0\n")->to_string(),
            reports->to_string());
  EXPECT_EQ(stripe::Reports::parse("none")->to_string(), "none");
  EXPECT_FALSE(stripe::Reports::parse("orders"));
}

// The shop reports the order itself, under the key that it has put into the session.
TEST(StripeWebhook, AnOrderThatTheShopReportsItselfIsOneOrder) {
  for (const bool webhook_first : {true, false}) {
    for (const bool by_metadata : {true, false}) {
      StripeShop shop;
      klaviyo::Order order;
      order.order_id = "1001";
      order.currency = klaviyo::Currency("USD");
      order.customer.email = kStripeEmail;
      order.items.push_back({});
      order.items[0].product_id = order.items[0].name = "P1";
      order.items[0].unit_price = {3000};
      Json session = stripe_session();
      session["client_reference_id"] = "1001";
      if (by_metadata) session["metadata"] = {{"order_id", "1001"}};
      if (by_metadata) session["client_reference_id"] = "user-7";
      const std::string body = stripe_event("checkout.session.completed", session).dump();
      if (webhook_first) shop.deliver(body);
      EXPECT_TRUE(shop.tracker->track(klaviyo::order_placed(order)));
      EXPECT_EQ(shop.deliver(body).status, 200);
      std::size_t orders = 0;
      for (const Json& event : shop.recorded()) orders += event["metric"] == "Placed Order";
      EXPECT_EQ(orders, 1U);
    }
  }
}

TEST(StripeWebhook, AReferenceThatTwoPaymentsHaveIsNoKey) {
  StripeShop shop;
  for (const char* number : {"1", "2"}) {
    Json session = stripe_session();
    session.update({{"id", std::string("cs_") + number},
                    {"payment_intent", std::string("pi_") + number},
                    {"client_reference_id", "user-7"}});
    Json body = stripe_event("checkout.session.completed", session);
    body["id"] = std::string("evt_") + number;
    EXPECT_EQ(shop.deliver(body.dump()).status, 200);
  }
  EXPECT_EQ(shop.recorded().size(), 2U);
}

}  // namespace
}  // namespace postbox::tests

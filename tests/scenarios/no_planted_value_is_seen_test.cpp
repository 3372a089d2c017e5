// Secrets and a person are planted in whatever can hold them, and a shop lives through good days
// and bad ones under the eyes of its operators: none of it stands anywhere where somebody might
// look.
#include "support/planted_shop.hpp"

namespace postbox::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class NoPlantedValue : public PlantedShop {
 protected:
  void sell(const std::string& id) {
    EXPECT_EQ(post("/checkout/complete", planted::order(id).dump()), 201);
    EXPECT_EQ(post("/subscriptions", planted::subscription("S" + id).dump()), 201);
    EXPECT_EQ(put_cart(planted::cart("C" + id).dump()), 202);
    EXPECT_EQ(post("/consent", planted::consent("subscribe").dump()), 201);
    EXPECT_EQ(post("/consent", planted::consent("unsubscribe").dump()), 201);
  }

  // What a route refuses, it refuses without a word of the body.
  void send_what_is_wrong() {
    Json wrong = planted::order("1");
    wrong["currency"] = planted::kLastName;
    wrong["placed_at"] = planted::kNote;
    wrong["customer"]["email"] = {planted::kEmail};
    wrong["customer"]["phone"] = std::string("call ") + planted::kPhone + " or " + planted::kIp;
    wrong["items"][0]["unit_price"] = planted::kStreet;
    wrong["properties"]["Gift note"] = std::string(1'000'000, 'x') + planted::kNote;
    EXPECT_EQ(post("/checkout/complete", wrong.dump()), 400);
    Json nobody = planted::order("2");
    nobody["customer"] = {{"email", std::string(planted::kEmail) + "@" + planted::kCity},
                          {"phone", planted::kZip}};
    EXPECT_EQ(post("/checkout/complete", nobody.dump()), 201) << "the cookie says who it is";
    EXPECT_EQ(post("/subscriptions", nobody.dump()), 400);
    EXPECT_EQ(post("/checkout/complete", "{\"customer\":\"" + std::string(planted::kEmail)), 400);
    EXPECT_EQ(post("/checkout/complete", Json(planted::kNote).dump()), 400);
    Json word = planted::consent(planted::kNote);
    word["list"] = planted::kLastName;
    EXPECT_EQ(post("/consent", word.dump()), 400);
    EXPECT_EQ(put_cart(planted::cart(std::string(600, 'c')).dump()), 400);
    EXPECT_EQ(post(std::string("/nowhere/") + planted::kUser, planted::kNote), 404);
    const std::string token = Planted::base64(planted::kEmail, true);
    EXPECT_EQ(look_at("GET /cart/recover", client().Get("/cart/recover?token=" + token)), 400);
  }

  void deliver_webhooks() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    for (Json& event : stripe_every_kind()) {
      event["created"] = std::chrono::duration_cast<std::chrono::seconds>(now).count();
      EXPECT_EQ(deliver(planted::of_stripe(event).dump()), 200) << event["type"];
    }
    const Json event = planted::of_stripe(stripe_event("customer.created", stripe_customer()));
    EXPECT_EQ(deliver(event.dump(), planted::kStripeKey), 400) << "signed by somebody else";
    EXPECT_NE(deliver(event.dump().substr(0, 200)), 0) << "half a body";
    Json other = event;
    other["type"] = "customer.tax_id.created";
    EXPECT_EQ(deliver(other.dump()), 200);
    Json strange = planted::of_stripe(stripe_event("charge.refunded", stripe_charge(1'000)));
    strange["data"]["object"]["amount"] = planted::kNote;
    strange["data"]["object"]["currency"] = planted::kLastName;
    EXPECT_NE(deliver(strange.dump()), 0);
  }

  // Thin events; Stripe's API is asked for the rest, and says whatever.
  void deliver_thin() {
    const Json customer = planted::of_stripe(stripe_event("customer.created", stripe_customer()));
    const Json quoted = {{"error", {{"message", planted::kStripeKey}, {"param", planted::kNote}}}};
    for (const auto& [status, answer] : std::vector<std::pair<int, std::string>>{
             {401, quoted.dump()}, {500, planted::kNote}, {200, customer.dump()}}) {
      const std::size_t before = klaviyo.seen().of_stripe;
      klaviyo.let_stripe_answer(status, answer);
      const std::string id = "evt_" + std::to_string(status);
      const Json thin = {
          {"id", id},
          {"object", "v2.core.event"},
          {"type", "v1.customer.created"},
          {"created", "2026-05-28T20:26:40.330Z"},
          {"livemode", true},
          {"context", nullptr},
          {"snapshot_event", id},
          {"related_object", {{"id", planted::kCard}, {"type", "customer"}, {"url", "/v1/cus_1"}}}};
      EXPECT_EQ(deliver(thin.dump()), 200);
      wait_until("Stripe is not asked", [&] { return klaviyo.seen().of_stripe > before; });
    }
  }

  // The first answers that come are these; Klaviyo quotes whatever it was sent.
  void let_klaviyo_answer(int times, int status, const Json& more) {
    Json fault = {{"times", times}, {"status", status}, {"match", {{"path", "/api/"}}}};
    fault.update(more);
    klaviyo.set_faults(Json{{"faults", Json::array({fault})}}.dump());
  }
  static Json quoting(const std::string& code, const std::string& pointer) {
    const std::string said = std::string(planted::kFirstName) + " " + planted::kLastName + ", " +
                             planted::kEmail + ", " + planted::kPlainPhone + " and " +
                             planted::kNote + " is wrong with " + planted::kApiKey;
    const Json errors = {{"errors", Json::array({{{"code", code},
                                                  {"title", said},
                                                  {"detail", said},
                                                  {"source", {{"pointer", pointer}}},
                                                  {"meta", {{"said", said}}}}})}};
    return {{"body", errors.dump()}};
  }

  void bury() {
    const double before = figure(state("dead"));
    for (const char* pointer : {"/data/attributes/profile/data/attributes/email",
                                "/data/attributes/properties/Gift note", planted::kNote}) {
      let_klaviyo_answer(-1, 400, quoting("invalid", pointer));
      sell(std::string("dead-") + std::to_string(figure(state("dead"))));
      wait_until_settled();
    }
    EXPECT_GT(figure(state("dead")), before);
    klaviyo.set_faults("[]");
  }

  void live_through_outages() {
    const std::string page = std::string("<html>") + planted::kEmail + planted::kApiKey + "</html>";
    int number = 0;
    for (const auto& [status, more] : std::vector<std::pair<int, Json>>{
             {503, {{"body", page}, {"headers", {{"Content-Type", "text/html"}}}}},
             {500, quoting("internal", "/data")},
             {429, {{"retry_after", planted::kNote}, {"body", page}}},
             {302, {{"headers", {{"Location", std::string("/") + planted::kApiKey}}}}},
             {200, {{"body", page}}},
             {409, quoting("duplicate_profile", "/data")},
             {413, {{"body", planted::kNote}}}}) {
      let_klaviyo_answer(1, status, more);
      sell("outage-" + std::to_string(++number));
      wait_until_settled();
    }
    klaviyo.set_faults("[]");
  }

  // Reads the settings again; `line` is said then.
  void reload(const std::string& line) {
    const std::size_t before = count_in_log(line);
    server->signal(SIGHUP);
    wait_until("the log has no " + line, [&] { return count_in_log(line) > before; });
  }
  [[nodiscard]] std::size_t count_in_log(const std::string& text) const {
    const std::string log = contents(this->log());
    std::size_t count = 0;
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }

  // A key that Klaviyo does not know, and then one that it does.
  void change_keys() {
    set("KLAVIYO_API_KEY", planted::kWrongApiKey);
    reload("KLAVIYO_API_KEY");
    sell("parked");
    wait_until("nothing is parked", [this] { return figure("postbox_parked_total") > 0; });
    (void)run({"doctor"});
    set("KLAVIYO_API_KEY", planted::kNewApiKey);
    reload("KLAVIYO_API_KEY");
    wait_until_settled();
  }

  void hold() {
    for (const char* flag :
         {"KLAVIYO_PURCHASE_EVENTS_ENABLED", "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED",
          "KLAVIYO_CART_ABANDONED_ENABLED", "KLAVIYO_CONSENT_EVENTS_ENABLED"}) {
      let_klaviyo_answer(-1, 503, Json::object());
      if (std::string(flag).find("PURCHASE") != std::string::npos) sell("held");
      set(flag, "false");
      reload(flag);
    }
    klaviyo.set_faults("[]");
    wait_until("nothing is held", [this] { return figure(state("held")) > 2; });
  }

  // Values that cannot be used: a server that runs stays as it was, doctor says why, and none
  // starts.
  void set_what_is_wrong() {
    const std::string password = std::string("://shop:") + planted::kProxyPassword + "@";
    const auto good = settings;
    for (const auto& [variable, value] : std::vector<std::pair<std::string, std::string>>{
             {"KLAVIYO_API_KEY", std::string("pk_ ") + (planted::kApiKey + 3)},
             {"KLAVIYO_API_KEY", std::string("Klaviyo-API-Key ") + planted::kApiKey},
             {"KLAVIYO_API_KEY", std::string(planted::kStripeKey)},
             {"KLAVIYO_RECOVERY_SECRET", std::string(planted::kRecoverySecret).substr(0, 12)},
             {"STRIPE_WEBHOOK_SECRET", planted::kStripeKey},
             {"STRIPE_WEBHOOK_SECRET", std::string(planted::kWebhookSecret) + ";whsec_1"},
             {"STRIPE_API_KEY", planted::kWebhookSecret},
             {"POSTBOX_ENCRYPTION_KEY", std::string(planted::kEncryptionKey).substr(0, 40)},
             {"KLAVIYO_API_URL", "https" + password + "a.klaviyo.com"},
             {"VITE_APP_URL", "https" + password + "shop.goldenacre.example"},
             {"POSTBOX_OUTBOX", "mysql" + password + "db/shop"},
             {"POSTBOX_OUTBOX", planted::kApiKey},
             {"KLAVIYO_PURCHASE_EVENTS_ENABLED", planted::kApiKey},
             {"KLAVIYO_CART_ABANDONED_AFTER", planted::kWebhookSecret},
             {"KLAVIYO_QUOTA_SHARE", planted::kStripeKey},
             {"KLAVIYO_REVISION", planted::kEncryptionKey},
             {"KLAVIYO_METRIC_NAMES", planted::kApiKey},
             {"KLAVIYO_DEFAULT_COUNTRY", planted::kApiKey},
             {"STRIPE_EVENTS", planted::kWebhookSecret},
             {"STRIPE_TEST_MODE", planted::kStripeKey},
             {"POSTBOX_MAX_DISK", planted::kOldEncryptionKey},
             {"POSTBOX_LOG_LEVEL", planted::kOldEncryptionKey}}) {
      SCOPED_TRACE(variable);
      set(variable, value);
      reload("The configuration stays as it was");
      (void)run({"doctor"});
      (void)run({"status"});
      const std::string log = folder.file("refused.log");
      Program refused("checkout_server", {"--port", "0"}, {}, folder.path(), {.error = log});
      EXPECT_EQ(refused.port(), 0);
      see("a start that is refused", refused.said() + contents(log));
      settings = good;
    }
    write_settings();
  }

  void look_with_commands() {
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"status"},
                                               {"status", "--metrics", server->url() + "/metrics"},
                                               {"flags"},
                                               {"config", "history"},
                                               {"dead", "list"},
                                               {"dead", "list", "--metric", "Placed Order"},
                                               {"dead", "list", "--reason", "HTTP 400"},
                                               {"dead", "replay", "--dry-run"},
                                               {"dead", "purge", "--dry-run"},
                                               {"held", "list"},
                                               {"held", "purge", "--dry-run"},
                                               {"held", "release", "--yes"},
                                               {"events", "--order", "dead-0"},
                                               {"events", "--order", "held"},
                                               {"doctor"},
                                               {"fsck"},
                                               {"reseal"}}) {
      (void)run(command);
      auto as_json = command;
      as_json.emplace_back("--json");
      (void)run(as_json);
    }
    for (const char* kind : {"dead", "held"}) {
      const Json listed = run_json({kind, "list"});
      EXPECT_FALSE(listed["events"].empty()) << kind;
      for (const Json& event : listed["events"]) {
        const std::string id = std::to_string(event["id"].get<std::int64_t>());
        EXPECT_EQ(run({kind, "show", id}).code, 0);
        (void)run({kind, "show", id, "--json"});
      }
    }
  }

  // Files and commands that hold or take a person by their nature.
  void work_with_commands() {
    Json refused = planted::order("imported-2");
    refused["currency"] = planted::kLastName;
    Json past = planted::order("imported-1");
    past["placed_at"] = "2024-05-01T10:00:00Z";
    overwrite(folder.file("orders.jsonl"),
              past.dump() + "\n" + refused.dump() + "\n{" + planted::kEmail + "\n");
    overwrite(folder.file("orders.csv"), std::string("order_id,placed_at,Note\n9,") +
                                             planted::kEmail + "," + planted::kStreet + "\n");
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"validate", "orders.jsonl"},
             {"validate", "orders.jsonl", "--json"},
             {"validate", "-"},
             {"import", "orders.jsonl", "--dry-run"},
             {"import", "orders.jsonl"},
             {"import", "orders.csv"},
             {"report", "--from", "2024-05-01", "--to", "2024-05-02", "orders.jsonl"},
             {"report", "--from", "2024-05-01", "--to", "2024-05-02", "--json"},
             {"backup", "copy.db"},
             {"salvage", "copy.db", "--dry-run"},
             {"drain", "--timeout", "1s"},
             {"forget", "-", "--dry-run"},
             {"forget", "-", "--json", "--yes"},
             {"forget", "--external-id", "-", "--at-klaviyo", "--timeout", "1s", "--yes"}}) {
      const bool is_user = command.size() > 1 && command[1] == "--external-id";
      (void)run(command, std::string(is_user ? planted::kUser : planted::kEmail) + "\n");
    }
    (void)run({"forget", "-"}, std::string(planted::kNote) + "\n");
  }

  // What an operator has typed where it is not taken comes back without what it holds.
  void type_what_is_wrong() {
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {planted::kEmail},
             {"status", planted::kApiKey},
             {"status", "--token", planted::kApiKey},
             {"status", "--max-wait", planted::kApiKey},
             {"status", "--metrics",
              std::string("http://shop:") + planted::kProxyPassword + "@127.0.0.1:1/metrics"},
             {"dead", "list", "--family", planted::kEmail},
             {"dead", "list", "--metric", planted::kEmail},
             {"dead", "show", planted::kEmail},
             {"held", "release", planted::kEmail},
             {"events", planted::kEmail},
             {"events", "--order", planted::kEmail},
             {"forget", planted::kLastName, planted::kEmail},
             {"send-test", "--email", std::string("x") + planted::kEmail + "@@"},
             {"validate", planted::kEmail},
             {"report", "--from", planted::kEmail, "--to", "2024-05-02"},
             {"serve", "--port", planted::kPlainPhone}}) {
      const std::string out = folder.file("typed");
      Program program("postbox", command, {}, folder.path(), {.error = out, .output = out});
      EXPECT_NE(program.wait(), -1);
    }
    see("answers to what was typed", contents(folder.file("typed")));
  }

  // The page, as somebody with the token sees it, and as others do.
  void look_at_the_page() {
    Program page("postbox", {"serve", "--metrics", server->url() + "/metrics"}, {}, folder.path(),
                 {.error = folder.file("serve.log")});
    see("command line of serve", page.command_line());
    const std::string& address = page.said();
    const auto token_at = address.find("#token=") + 7;
    const std::string token = address.substr(token_at, 64);
    all.plant("token of the page", token);
    auto http = client_of(std::stoi(address.substr(address.find("127.0.0.1:") + 10)));
    const httplib::Headers allowed{{"Authorization", "Bearer " + token}};
    for (const char* path : {"/", "/page.js", "/events.js", "/api.js", "/nowhere"}) {
      (void)look_at(std::string("GET page ") + path, http.Get(path));
    }
    EXPECT_EQ(look_at("GET /api/status", http.Get("/api/status", allowed)), 200);
    const auto ask = [&](const std::string& what, const Json& asked, const httplib::Headers& as) {
      const auto answer = http.Post("/api/" + what, as, asked.dump(), "application/json");
      EXPECT_NE(look_at("POST /api/" + what, answer), 0);
      return answer ? Json::parse(answer->body, nullptr, false) : Json();
    };
    for (const char* kind : {"dead", "held"}) {
      const Json listed = ask("list", {{"kind", kind}}, allowed);
      EXPECT_FALSE(listed["events"].empty()) << kind;
      for (const Json& event : listed["events"]) {
        EXPECT_EQ(ask("show", {{"kind", kind}, {"id", event["id"]}}, allowed)["found"], true);
      }
      (void)ask("count", {{"kind", kind}}, allowed);
      (void)ask("list", {{"kind", kind}, {"family", planted::kEmail}}, allowed);
      (void)ask("list", {{"kind", kind}, {"older_than", planted::kApiKey}}, allowed);
    }
    for (const Json& order : {Json("dead-0"), Json(planted::kEmail), Json({planted::kEmail})}) {
      (void)ask("order", {{"order", order}}, allowed);
    }
    (void)ask("replay", {{"kind", "dead"}, {"metric", "Placed Order"}}, allowed);
    (void)ask("list", {{"kind", planted::kEmail}}, allowed);
    (void)ask("list", planted::kNote, allowed);
    (void)ask("list", {{"kind", "dead"}}, {{"Authorization", "Bearer " + token.substr(1) + "0"}});
    (void)ask("list", {{"kind", "dead"}},
              {{"Authorization", "Bearer " + token}, {"Origin", planted::kImage}});
    EXPECT_EQ(page.end(SIGTERM), 0);
    see("page's log", contents(folder.file("serve.log")));
    see("page", page.said().substr(0, token_at) + page.said().substr(token_at + 64));
  }

  // A server without the keys of what lies there, and one behind a proxy that is away.
  void live_in_trouble() {
    settings["KLAVIYO_PURCHASE_EVENTS_ENABLED"] = "true";
    const auto good = settings;
    settings.erase("POSTBOX_ENCRYPTION_KEY");
    write_settings();
    start();
    let_klaviyo_answer(-1, 503, Json::object());
    sell("plain");
    EXPECT_THAT(person.found_in(contents(outbox()) + contents(outbox() + "-wal")), Not(IsEmpty()))
        << "the search sees what is not encrypted";
    klaviyo.set_faults("[]");
    look_with_commands();
    settings = good;
    write_settings();
    const std::string proxy =
        std::string("http://shop:") + planted::kProxyPassword + "@127.0.0.1:1";
    start({{"http_proxy", proxy}, {"HTTPS_PROXY", proxy}});
    sell("behind a proxy");
    (void)run({"doctor"}, "", {{"http_proxy", proxy}});
    wait_until("no proxy is missed", [this] { return count_in_log("no answer") > 0; });
  }

  // The files of the outbox and of the webhooks' store.
  void look_into_the_outbox() {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("outbox.db")) continue;
      see("file " + name, contents(entry.path()));
      ++files;
    }
    EXPECT_GE(files, 4U);
  }

  void expect_nothing_found() {
    see("log", without_users(contents(log())));
    see("addresses and headers at Klaviyo and Stripe", without_questions(klaviyo.seen().heads));
    for (const auto& [what, text] : seen) EXPECT_THAT(all.found_in(text), IsEmpty()) << what;
    EXPECT_THAT(secrets.found_in(klaviyo.seen().bodies), IsEmpty());
  }
  // Klaviyo has no other way of asking for somebody's profile, which `forget --at-klaviyo` has to.
  static std::string without_questions(const std::string& heads) {
    std::istringstream lines(heads);
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("GET /api/profiles?filter=")) kept += line + '\n';
    }
    return kept;
  }
  // A cart's line names its user by the shop's own id.
  static std::string without_users(std::string log) {
    const std::string said = std::string(" sent for user: ") + planted::kUser;
    EXPECT_NE(log.find(said), std::string::npos);
    for (auto at = log.find(said); at != std::string::npos; at = log.find(said)) {
      log.erase(at, said.size());
    }
    return log;
  }
};

// The search itself, on texts that other programs have made of the value.
TEST(PlantedSearch, FindsEachFormAndAnyPart) {
  Planted planted;
  planted.plant("it", "zoë.quill+7@wrenfold/test");
  for (const char* text : {
           "error: 'zoë.quill+7@wrenfold/test' is wrong",
           "ZOë.QUILL+7@WRENFOLD/TEST",
           "cut: zoë.qui",
           "GET /x?email=zo%C3%AB.quill%2B7%40wrenfold%2Ftest&y=1",
           "zo%c3%ab.qu",
           "%7A%6F%C3%AB%2E%71%75%69%6C%6C",
           R"({"email":"zo\u00eb.quill+7@wrenfold\/test"})",
           R"(zo\u00EB.)",
           R"(wrenfold\/)",
           "em/Dqy5xdWlsbCs3QHdyZW5mb2xkL3Rlc3Qgc2FpZA==",
           "em_Dqy5xdWlsbCs3QHdyZW5mb2xkL3Rlc3Qgc2FpZA==",
           "eHpvw6sucXVpbGwrN0B3cmVuZm9sZC90ZXN0IHNhaWQ=",
           "eHl6b8OrLnF1aWxsKzdAd3JlbmZvbGQvdGVzdCBzYWlk",
           "7a6fc3ab2e7175696c6c2b37407772656e666f6c642f74657374",
           "7A6FC3AB2E",
       }) {
    EXPECT_THAT(planted.found_in(text), ElementsAre(StartsWith("it in: "))) << text;
  }
  for (const char* text : {"", "zoë.qu", "somebody.else@wrenford.test", "em/Dqy5", "7a6fc3a"}) {
    EXPECT_THAT(planted.found_in(text), IsEmpty()) << text;
  }
}

TEST(PlantedSearch, FindsWhatStandsBeyondTheFirstPlaneAndBlanks) {
  Planted planted;
  planted.plant("it", "Ægir 🦉🦉 ~?>");
  for (const char* text : {R"(\u00c6gir )", R"(\ud83e\udd89)", "w4ZnaXIg8J+mifCfpokgfj8+",
                           "w4ZnaXIg8J-mifCfpokgfj8-", "%86gir+%F0%9F", "%86gir%20%F0%9F"}) {
    EXPECT_THAT(planted.found_in(text), ElementsAre(StartsWith("it in: "))) << text;
  }
}

TEST_F(NoPlantedValue, InWhateverAShopAndItsOperatorsSeeOfGoodAndBadDays) {
  start();
  ASSERT_NE(server->port(), 0) << contents(log());
  sell("1001");
  send_what_is_wrong();
  deliver_webhooks();
  deliver_thin();
  wait_until_settled();
  bury();
  live_through_outages();
  change_keys();
  hold();
  look_into_the_outbox();
  look_with_commands();
  look_at_the_page();
  type_what_is_wrong();
  set_what_is_wrong();
  work_with_commands();
  look_into_the_outbox();
  live_in_trouble();
  end_server();
  expect_nothing_found();
}

}  // namespace
}  // namespace postbox::tests

// POST /consent of the real server: the last word of a person wins, through an outage, too.
#include "support/shop.hpp"

namespace postbox::tests {
namespace {

class ConsentRoute : public Shop {
 protected:
  void open_with(const std::string& flag) {
    auto settings = variables();
    settings["KLAVIYO_CONSENT_EVENTS_ENABLED"] = flag;
    server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                       settings);
    ASSERT_NE(server->port(), 0);
  }

  // The answer's status and body.
  std::pair<int, Json> post(const Json& body) const {
    const auto answer = client().Post("/consent", body.dump(), "application/json");
    return answer ? std::pair(answer->status, Json::parse(answer->body)) : std::pair(0, Json());
  }

  void say(const std::string& action, const std::string& name, const Json& more) const {
    Json body = {{"action", action}, {"email", name + "@goldenacre.example"}};
    body.update(more);
    const auto [status, answer] = post(body);
    EXPECT_EQ(status, 201) << answer;
    EXPECT_EQ(answer["events"], "accepted");
  }

  // By address: what Klaviyo has noted of marketing by e-mail, and the lists.
  std::map<std::string, std::string> consents() const {
    httplib::Client http("127.0.0.1", klaviyo_port);
    const auto answer =
        http.Get("/api/profiles?additional-fields%5Bprofile%5D=subscriptions&page%5Bsize%5D=100",
                 {{"Authorization", "Klaviyo-API-Key pk_for_tests"}, {"revision", "2026-10-15"}});
    std::map<std::string, std::string> all;
    EXPECT_TRUE(answer && answer->status == 200);
    if (!answer) return all;
    const Json page = Json::parse(answer->body);
    for (const Json& profile : page["data"]) {
      const Json& attributes = profile["attributes"];
      std::string& noted = all[attributes["email"]];
      noted = attributes["subscriptions"]["email"]["marketing"]["consent"];
      for (const Json& list : profile["meta"]["lists"]) noted += " " + list.get<std::string>();
    }
    return all;
  }
};

TEST_F(ConsentRoute, TheLastWordOfAPersonWinsAlsoThroughAnOutage) {
  open_with("true");
  set_faults(R"({"faults":[{"times":-1,"status":503}]})");
  const Json list = {{"list", "Y6nRLr"}};
  for (const char* action : {"subscribe", "unsubscribe"}) {
    say(action, "no", Json::object());
    say(action, "left", list);
  }
  for (const char* action : {"subscribe", "unsubscribe", "subscribe"}) say(action, "yes", list);
  set_faults(R"({"faults":[]})");
  wait_until_settled();
  EXPECT_EQ(consents(), (std::map<std::string, std::string>{
                            {"no@goldenacre.example", "UNSUBSCRIBED"},
                            {"left@goldenacre.example", "SUBSCRIBED"},  // but not on the list
                            {"yes@goldenacre.example", "SUBSCRIBED Y6nRLr"}}));
  EXPECT_EQ(metric(state("delivered")), 7);
  expect_conservation();
}

TEST_F(ConsentRoute, SaysWhatIsWrongAndWhatReachesFarther) {
  open_with("true");
  const auto [status, refused] = post({{"email", "nobody"}, {"channels", {"email", "sms", "fax"}}});
  EXPECT_EQ(status, 400);
  std::set<std::string> paths;
  for (const Json& error : refused["errors"]) paths.insert(error["path"]);
  EXPECT_EQ(paths, (std::set<std::string>{"action", "channels[2]", "email", "phone"}));
  EXPECT_EQ(refused.dump().find("nobody"), std::string::npos);

  const auto [kept, global] = post({{"action", "unsubscribe"}, {"email", "a@goldenacre.example"}});
  EXPECT_EQ(kept, 201);
  EXPECT_EQ(global["warnings"][0]["path"], "list");
  expect_conservation();
}

TEST_F(ConsentRoute, WithTheFlagOffNothingIsKept) {
  open_with("false");
  const auto [status, answer] = post({{"action", "subscribe"}, {"email", "a@goldenacre.example"}});
  EXPECT_EQ(status, 201);
  EXPECT_EQ(answer, Json({{"events", "disabled"}}));
  EXPECT_EQ(klaviyo.simulator().stats().requests, 0U);
}

}  // namespace
}  // namespace postbox::tests

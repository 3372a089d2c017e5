// PlantedShop: the real server, with a secret in every setting that takes one, a person in every
// member that can tell of one, and a record of whatever was written or said where somebody might
// look.
//
// Place:     below the scenario that looks for planted values.
// Threads:   the test's thread.
// Lifetime:  each test has its own folder and Klaviyo.
// Failure:   an ordinary test failure.
#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <stripe/signature.hpp>
#include <utility>
#include <vector>

#include "planted.hpp"
#include "program.hpp"
#include "raw_file.hpp"
#include "stripe_events.hpp"
#include "watched_klaviyo.hpp"

namespace postbox::tests {

namespace planted {

inline constexpr const char* kEmail = "Ottoline.Quillfeather+shop@Wrenmarsh-Post.test";
inline constexpr const char* kPhone = "+49 (170) 987-6543";
inline constexpr const char* kPlainPhone = "+491709876543";
inline constexpr const char* kUser = "buyer-73519264";
inline constexpr const char* kVisitor = "visitor-5582937164";
inline constexpr const char* kExchange = "Vb83kqLmZx.RtY2wQ";
inline constexpr const char* kFirstName = "Ottoline-Zoë";
inline constexpr const char* kLastName = "Quillfeather";
inline constexpr const char* kStreet = "Nightjar Crescent 4711";
inline constexpr const char* kSecondLine = "Hinterhaus, dritter Stock";
inline constexpr const char* kCity = "Oberwiesenthal";
inline constexpr const char* kRegion = "Sächsische Schweiz";
inline constexpr const char* kZip = "SY23-7XQ9";
inline constexpr const char* kOrganization = "Brackenthwaite & Söhne";
inline constexpr const char* kTitle = "Chief Lepidopterist";
inline constexpr const char* kImage = "https://faces.wrenmarsh-post.test/8842917.png";
inline constexpr const char* kNote = "Ring \"twice\", for Barnabyé\\the cat is deaf";
inline constexpr const char* kIp = "203.0.113.177";
inline constexpr const char* kCard = "Xt5EWLLDS7FJjR1c";
inline constexpr const char* kPayer = "barnaby@cloudwidget-mill.test";

inline constexpr const char* kApiKey = "pk_q7Zr81kTvWm2XcYb95Nd";
inline constexpr const char* kNewApiKey = "pk_Lh4Gj60sBnPd3FtRa28K";
inline constexpr const char* kWrongApiKey = "pk_Ue9Iy53oAzSx7DvCf46M";
inline constexpr const char* kWebhookSecret = "whsec_Jd82mVqkR51xZtYw";
inline constexpr const char* kOldWebhookSecret = "whsec_Pf30nHsbC97uEaLo";
inline constexpr const char* kStripeKey = "rk_live_Wk57gTdyN28jQvXr";
inline constexpr const char* kRecoverySecret = "f4b19c7de0835a62f4b19c7de08351aa";
inline constexpr const char* kEncryptionKey =
    "9d3c51f7a08e42b6c4d7e1095fa83b2671ee04c9d85a3f10b7926cdd4e8f5a13";
inline constexpr const char* kOldEncryptionKey = "s7Yh2KQ0bT5mVx8RcN1wLz4EuJ9fGdPa6XoHqI3vBkM=";
inline constexpr const char* kProxyPassword = "tr0ub4dor-correct-horse";

inline void plant_secrets(Planted& secrets) {
  // Without what they begin with, which is no secret.
  const auto plant = [&secrets](const char* name, std::string_view value, std::size_t skipped) {
    secrets.plant(name, value.substr(skipped));
  };
  plant("API key", kApiKey, 3);
  plant("new API key", kNewApiKey, 3);
  plant("wrong API key", kWrongApiKey, 3);
  plant("webhook secret", kWebhookSecret, 6);
  plant("old webhook secret", kOldWebhookSecret, 6);
  plant("Stripe key", kStripeKey, 8);
  plant("recovery secret", kRecoverySecret, 0);
  plant("encryption key", kEncryptionKey, 0);
  plant("old encryption key", kOldEncryptionKey, 0);
  plant("proxy's password", kProxyPassword, 0);
}

inline void plant_person(Planted& person) {
  person.plant("e-mail", kEmail);
  person.plant("phone as typed", kPhone);
  person.plant("phone", kPlainPhone);
  person.plant("user", kUser);
  person.plant("visitor", kVisitor);
  person.plant("kx", kExchange);
  person.plant("first name", kFirstName);
  person.plant("last name", kLastName);
  person.plant("street", kStreet);
  person.plant("second line", kSecondLine);
  person.plant("city", kCity);
  person.plant("region", kRegion);
  person.plant("zip", kZip);
  person.plant("organization", kOrganization);
  person.plant("title", kTitle);
  person.plant("image", std::string_view(kImage).substr(8));
  person.plant("note", kNote);
  person.plant("IP address", kIp);
  person.plant("card", kCard);
  person.plant("payer", kPayer);
}

// With all that a profile can hold.
inline Json customer() {
  return {{"email", kEmail},
          {"phone", kPhone},
          {"external_id", kUser},
          {"anonymous_id", kVisitor},
          {"kx", kExchange},
          {"first_name", kFirstName},
          {"last_name", kLastName},
          {"organization", kOrganization},
          {"title", kTitle},
          {"image", kImage},
          {"location",
           {{"address1", kStreet},
            {"address2", kSecondLine},
            {"city", kCity},
            {"region", kRegion},
            {"zip", kZip},
            {"country", "DE"}}},
          {"properties", {{"Nickname", kFirstName}, {"IP", kIp}}}};
}

inline Json address() {
  return {{"first_name", kFirstName},
          {"last_name", kLastName},
          {"address1", kStreet},
          {"city", kCity},
          {"region_code", "SN"},
          {"country_code", "DE"},
          {"zip", kZip},
          {"phone", kPhone}};
}

inline Json properties() {
  return {{"Gift note", kNote},
          {"IP", kIp},
          {"Told", Json::array({kNote, kStreet})},
          {"Door", {{"Name", kLastName}, {"Code", kCard}}}};
}

inline Json items() {
  return Json::array(
      {{{"product_id", "P1"}, {"name", "Tea"}, {"quantity", 2}, {"unit_price", 1250}}});
}

inline Json order(const std::string& id) {
  return {{"order_id", id},
          {"currency", "EUR"},
          {"customer", customer()},
          {"items", items()},
          {"billing_address", address()},
          {"shipping_address", address()},
          {"properties", properties()}};
}

inline Json cart(const std::string& id) {
  return {{"cart_id", id},    {"user_id", kUser},       {"currency", "EUR"},
          {"items", items()}, {"customer", customer()}, {"properties", properties()}};
}

inline Json subscription(const std::string& id) {
  return {{"subscription_id", id},  {"plan_id", "basic"}, {"plan_name", "Basic"},
          {"currency", "EUR"},      {"amount", 1000},     {"interval", "month"},
          {"customer", customer()}, {"user_id", kUser},   {"properties", properties()}};
}

inline Json consent(const std::string& action) {
  return {{"action", action},
          {"email", kEmail},
          {"phone", kPhone},
          {"list", "Y6nRLr"},
          {"channels", {"email", "sms"}}};
}

// Whatever a body of Stripe's tells of a person stands in it.
inline Json of_stripe(Json event) {
  Json& object = event["data"]["object"];
  const Json person = {{"email", kPayer},
                       {"name", std::string(kFirstName) + " " + kLastName},
                       {"phone", kPlainPhone},
                       {"address", {{"line1", kStreet}, {"city", kCity}, {"postal_code", kZip}}}};
  for (const char* name : {"customer_details", "billing_details", "shipping"})
    object[name] = person;
  for (const char* name : {"customer_email", "receipt_email"}) object[name] = kPayer;
  if (object["object"] == "customer") object.update(person);
  object["metadata"] = {{"note", kNote}};
  object["payment_method_details"] = {{"card", {{"fingerprint", kCard}}}};
  object["client_secret"] = kCard;
  object["description"] = kNote;
  return event;
}

}  // namespace planted

class PlantedShop : public ::testing::Test {
 protected:
  PlantedShop() {
    planted::plant_secrets(secrets);
    planted::plant_secrets(all);
    planted::plant_person(person);
    planted::plant_person(all);
    settings = {{"KLAVIYO_API_KEY", planted::kApiKey},
                {"KLAVIYO_API_URL", klaviyo.url()},
                {"KLAVIYO_PURCHASE_EVENTS_ENABLED", "true"},
                {"KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED", "true"},
                {"KLAVIYO_CART_ABANDONED_ENABLED", "true"},
                {"KLAVIYO_PROFILE_EVENTS_ENABLED", "true"},
                {"KLAVIYO_CONSENT_EVENTS_ENABLED", "true"},
                {"KLAVIYO_CUSTOM_EVENTS_ENABLED", "true"},
                {"KLAVIYO_CART_QUIET_TIME", "0s"},
                {"KLAVIYO_RECOVERY_SECRET", planted::kRecoverySecret},
                {"STRIPE_WEBHOOK_SECRET",
                 std::string(planted::kOldWebhookSecret) + "," + planted::kWebhookSecret},
                {"STRIPE_API_KEY", planted::kStripeKey},
                {"STRIPE_API_URL", klaviyo.url()},
                {"POSTBOX_ENCRYPTION_KEY",
                 std::string(planted::kEncryptionKey) + "," + planted::kOldEncryptionKey},
                {"POSTBOX_LOG_LEVEL", "debug"},
                {"POSTBOX_OUTBOX", "sqlite:outbox.db"},
                {"VITE_APP_URL", "https://shop.goldenacre.example"}};
    write_settings();
  }

  void set(const std::string& variable, const std::string& value) {
    settings[variable] = value;
    write_settings();
  }
  void write_settings() const {
    std::ofstream file(folder.file(".env"));
    for (const auto& [variable, value] : settings) file << variable << "='" << value << "'\n";
  }

  // Starts the server anew. `variables` are of its process alone.
  void start(const Program::Variables& variables = {}) {
    end_server();
    server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                       variables, folder.path(), Streams{.error = log()});
    see("command line of the server", server->command_line());
  }
  void end_server() {
    if (!server) return;
    (void)server->end(SIGTERM);
    see("server", server->said());
    server.reset();
  }

  // Notes the answer, with its headers, and returns its status: 0 without one.
  int look_at(const std::string& what, const httplib::Result& answer) {
    if (!answer) return 0;
    std::string text;
    for (const auto& [name, value] : answer->headers) text.append(name + ": " + value + '\n');
    see(what, text + answer->body);
    return answer->status;
  }
  [[nodiscard]] httplib::Client client() const { return client_of(server->port()); }
  [[nodiscard]] static httplib::Client client_of(int port) {
    httplib::Client result("127.0.0.1", port);
    result.set_read_timeout(300);
    return result;
  }
  // As a browser that Klaviyo's script knows, from an address that the proxy in front tells.
  [[nodiscard]] static httplib::Headers headers() {
    const Json visitor = {{"cid", planted::kVisitor}, {"$exchange_id", planted::kExchange}};
    return {{"Cookie", "__kla_id=" + Planted::base64(visitor.dump())},
            {"X-Forwarded-For", planted::kIp}};
  }
  int post(const std::string& path, const std::string& body) {
    return look_at("POST " + path, client().Post(path, headers(), body, "application/json"));
  }
  int put_cart(const std::string& body) {
    const std::string path = std::string("/cart/") + planted::kUser;
    return look_at("PUT /cart", client().Put(path, headers(), body, "application/json"));
  }
  int deliver(const std::string& body, const std::string& secret = planted::kWebhookSecret) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const httplib::Headers signature{{"Stripe-Signature", stripe::sign(body, secret, now)}};
    return look_at("POST /webhooks/stripe",
                   client().Post("/webhooks/stripe", signature, body, "application/json"));
  }

  // The value of a line of GET /metrics; the sum of all that begin with `name`.
  double figure(const std::string& name) {
    const auto answer = client().Get("/metrics");
    EXPECT_EQ(look_at("GET /metrics", answer), 200);
    std::istringstream lines(answer ? answer->body : "");
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name)) sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
  }
  static std::string state(const std::string& name) {
    return "postbox_events_total{state=\"" + name + "\"}";
  }
  // Asks the server until it is so; no time is measured.
  template <class Condition>
  void wait_until(const std::string& what, Condition condition) {
    for (int question = 0; question < 200'000; ++question) {
      if (condition()) return;
      (void)client().Get("/healthz");
    }
    FAIL() << what << "\n" << contents(log());
  }
  void wait_until_settled() {
    wait_until("events are still waiting",
               [this] { return figure(state("waiting")) == 0 && figure(state("in_flight")) == 0; });
  }
  void wait_for_log(const std::string& line) {
    wait_until("no line: " + line, [&] { return contents(log()).find(line) != std::string::npos; });
  }

  struct Ran {
    int code = 0;
    std::string out;
    std::string err;
  };
  // Runs `postbox` beside the server and notes what it writes.
  Ran run(const std::vector<std::string>& arguments, const std::string& input = {},
          const Program::Variables& variables = {}) {
    const std::string number = std::to_string(++runs_);
    const std::string out = folder.file("out-" + number);
    const std::string err = folder.file("err-" + number);
    overwrite(folder.file("in"), input);
    Program program("postbox", arguments, variables, folder.path(),
                    {.error = err, .output = out, .input = folder.file("in")});
    std::string what = "postbox";
    for (const std::string& argument : arguments) what += ' ' + argument;
    see("command line of " + what, program.command_line());
    Ran ran{.code = program.wait(), .out = contents(out), .err = contents(err)};
    see(what, ran.out + ran.err);
    return ran;
  }
  Json run_json(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    return Json::parse(run(arguments).out, nullptr, false);
  }

  void see(const std::string& what, const std::string& text) { seen[what] += text + '\n'; }
  [[nodiscard]] std::string log() const { return folder.file("server.log"); }
  [[nodiscard]] std::string outbox() const { return folder.file("outbox.db"); }

  TemporaryFolder folder;
  Planted secrets;
  Planted person;
  Planted all;  // both
  WatchedKlaviyo klaviyo{{planted::kApiKey, planted::kNewApiKey}};
  std::map<std::string, std::string> settings;
  std::unique_ptr<Program> server;
  std::map<std::string, std::string> seen;  // by where it stood

 private:
  int runs_ = 0;
};

}  // namespace postbox::tests

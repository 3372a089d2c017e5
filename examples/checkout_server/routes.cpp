#include "routes.hpp"

#include <klaviyo_json/from_json.hpp>
#include <klaviyo_json/json_paths.hpp>
#include <nlohmann/json.hpp>

namespace checkout {
namespace {

using namespace std::chrono_literals;
using klaviyo::FromJson;
using nlohmann::json;
using postbox::TrackStatus;

using Violations = std::vector<postbox::Violation>;

// How long a customer waits for the disk at most. What takes longer is told to come again.
constexpr auto kDiskDeadline = 2s;

void answer(httplib::Response& response, int status, const json& body) {
  response.status = status;
  // A user in a path need not be UTF-8; nothing else could make dump() throw.
  response.set_content(body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
                       "application/json");
}

json list_of(const Violations& violations) {
  json list = json::array();
  for (const auto& [path, rule] : violations) list.push_back({{"path", path}, {"rule", rule}});
  return list;
}

void refuse(httplib::Response& response, const Violations& violations) {
  answer(response, 400, {{"errors", list_of(violations)}});
}

void come_again(httplib::Response& response, std::string_view why) {
  response.set_header("Retry-After", "1");
  answer(response, 503, {{"error", why}});
}

// `violations` of the event, with the paths that its body has.
Violations in_body(const klaviyo::PurchaseEvents& event, Violations violations) {
  return klaviyo::in_json(event.order(), std::move(violations));
}
Violations in_body(const klaviyo::CartEvent& event, Violations violations) {
  return klaviyo::in_json(event.cart(), std::move(violations));
}
Violations in_body(const klaviyo::SubscriptionEvent& event, Violations violations) {
  return klaviyo::in_json(event.subscription(), std::move(violations));
}
Violations in_body(const klaviyo::ConsentUpdate& /*event*/, Violations violations) {
  return violations;  // the paths are the same
}

// Every broken rule of the event, also when its flag is off and the tracker did not look: a client
// must not see a body accepted today and refused when somebody flips the flag.
template <postbox::TrackableEvent E>
Violations check(const E& event, const postbox::EventContext* context) {
  using std::chrono::milliseconds;
  postbox::EventBatch batch(std::chrono::floor<milliseconds>(std::chrono::system_clock::now()),
                            nullptr, context);
  event.encode(batch);
  return in_body(event, std::move(batch.violations()));
}

template <class T, postbox::TrackableEvent E, class Track>
void track_and_answer(const FromJson<T>& body, const E& event, const postbox::EventContext* context,
                      const Track& track, httplib::Response& response, int success, json names) {
  if (!body.is_object) return refuse(response, body.violations);
  if (!body) {
    return refuse(response, klaviyo::merged(body.violations, check(event, context)));
  }
  const postbox::TrackResult result = track(event);
  const bool is_kept = result.status() == TrackStatus::kAccepted;
  if (!is_kept) {
    const Violations violations = check(event, context);
    if (!violations.empty()) return refuse(response, violations);
    if (!result) return come_again(response, result.to_string());
  }
  names["events"] = is_kept ? "accepted" : "disabled";
  // What was mended, and what Klaviyo would ignore: the order is a good one all the same.
  Violations warnings = body.warnings;
  for (auto& warning : in_body(event, result.warnings())) warnings.push_back(std::move(warning));
  if (!warnings.empty()) names["warnings"] = list_of(warnings);
  answer(response, success, names);
}

// Of `user`, who is the customer when the body names nobody.
void set_user(const std::string& user, klaviyo::Cart& cart) {
  cart.user_id = user;
  klaviyo::Profile& customer = cart.customer;
  if (customer.email.empty() && customer.phone.empty() && customer.external_id.empty() &&
      customer.anonymous_id.empty() && customer.kx.empty()) {
    customer.external_id = user;
  }
}

// Counts a handler for as long as it runs, however it ends.
class Running {
 public:
  explicit Running(std::atomic<int>& count) : count_(count) { ++count_; }
  ~Running() { --count_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::atomic<int>& count_;
};

}  // namespace

void Routes::complete_checkout(const httplib::Request& request, httplib::Response& response) {
  auto body = klaviyo::parse_json<klaviyo::Order>(request.body);
  klaviyo::read_cookie(request.get_header_value("Cookie"), body.value.customer);
  const json names = {{"order_id", body.value.order_id}};
  const auto event = klaviyo::order_placed(std::move(body.value));
  const auto track = [&](const auto& e) { return tracker_.track_durably(e, kDiskDeadline); };
  track_and_answer(body, event, tracker_.context(), track, response, 201, names);
}

void Routes::update_cart(const httplib::Request& request, httplib::Response& response) {
  auto body = klaviyo::parse_json<klaviyo::Cart>(request.body);
  set_user(request.matches[1].str(), body.value);
  klaviyo::read_cookie(request.get_header_value("Cookie"), body.value.customer);
  const json names = {{"cart_id", body.value.cart_id}};
  const auto event = klaviyo::cart_updated(std::move(body.value));
  // A cart changes often and the next change says it all again: not worth waiting for the disk.
  const auto track = [&](const auto& e) { return tracker_.track(e); };
  track_and_answer(body, event, tracker_.context(), track, response, 202, names);
}

void Routes::recover_cart(const httplib::Request& request, httplib::Response& response) {
  const auto cart = klaviyo::verify_recovery_token(request.get_param_value("token"), secrets_);
  // A shop would show the cart. What it learns from a bad link is for the customer to read, too.
  if (cart) return answer(response, 200, {{"cart_id", cart->cart_id}});
  const bool expired = cart.error().code == postbox::ErrorCode::kTokenExpired;
  answer(response, expired ? 410 : 400, {{"error", cart.error().message}});
}

void Routes::start_subscription(const httplib::Request& request, httplib::Response& response) {
  auto body = klaviyo::parse_json<klaviyo::Subscription>(request.body);
  const json names = {{"subscription_id", body.value.subscription_id}};
  const auto event = klaviyo::subscription_started(std::move(body.value));
  const auto track = [&](const auto& e) { return tracker_.track_durably(e, kDiskDeadline); };
  track_and_answer(body, event, tracker_.context(), track, response, 201, names);
}

void Routes::take_consent(const httplib::Request& request, httplib::Response& response) {
  auto body = klaviyo::parse_json<klaviyo::ConsentWord>(request.body);
  klaviyo::ConsentWord& word = body.value;
  const klaviyo::ConsentUpdate event(word.action, std::move(word.customer),
                                     std::move(word.consent));
  const auto track = [&](const auto& e) { return tracker_.track_durably(e, kDiskDeadline); };
  track_and_answer(body, event, tracker_.context(), track, response, 201, json::object());
}

// Not an answer for people: Stripe shows it to whoever looks at the delivery.
void Routes::take_webhook(const httplib::Request& request, httplib::Response& response) {
  const auto result = webhook_.handle(request.body, request.get_header_value("Stripe-Signature"));
  if (result.status == 503) return come_again(response, "not kept");
  answer(response, result.status, {{"received", result.status == 200}});
}

httplib::Server::Handler Routes::timed(Handler handler, Handle handle) {
  return [this, handler, handle](const httplib::Request& request, httplib::Response& response) {
    const Running running(running_);
    const auto start = std::chrono::steady_clock::now();
    try {
      (this->*handle)(request, response);
    } catch (const std::exception& error) {  // out of memory
      log_(postbox::LogLevel::kError, std::string("A handler failed: ") + error.what());
      come_again(response, "try again");
    }
    metrics_.record(handler, std::chrono::steady_clock::now() - start);
  };
}

void Routes::install(httplib::Server& server) {
  server.Post("/checkout/complete", timed(Handler::kCheckout, &Routes::complete_checkout));
  server.Put("/cart/(.+)", timed(Handler::kCart, &Routes::update_cart));
  server.Get("/cart/recover", timed(Handler::kRecovery, &Routes::recover_cart));
  server.Post("/subscriptions", timed(Handler::kSubscription, &Routes::start_subscription));
  server.Post("/consent", timed(Handler::kConsent, &Routes::take_consent));
  server.Post("/webhooks/stripe", timed(Handler::kWebhook, &Routes::take_webhook));
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    answer(response, 200, {{"status", "ok"}});
  });
  server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(
        metrics_.to_prometheus(tracker_.metrics(), webhook_.counts(), webhook_.unhandled()),
        "text/plain; version=0.0.4");
  });
}

}  // namespace checkout

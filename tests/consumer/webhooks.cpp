// A shop that takes webhooks from Stripe and sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <stripe/stripe.hpp>

#include <cstdio>

namespace {

// What a shop's HTTP library has.
struct Response {
  int status = 0;
};

Response take(postbox::Result<stripe::Webhook>& webhook, std::string_view body,
              std::string_view signature) {
  Response response;
  const auto result = webhook->handle(body, signature);
  response.status = result.status;
  return response;
}

}  // namespace

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  auto tracker = klaviyo::start(config);
  if (!tracker) return 1;
  auto webhook = stripe::Webhook::start(stripe::Config::from_env(), *tracker);
  if (!webhook) {
    std::fprintf(stderr, "%s\n", webhook.error().message.c_str());
    return 1;
  }
  const Response response = take(webhook, "{}", "");
  std::printf("%d\n", response.status);
  return response.status == 503 ? 0 : 1;  // no secret is set
}

// A shop of several servers that get webhooks from Stripe, which share what those tell, and which
// sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <postbox/postgres_backend.hpp>
#include <stripe/stripe.hpp>
#include <stripe_postgres/fact_store.hpp>

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "postgres://shop@/shop?host=/nowhere";
  config.engine.outbox.backends.push_back(&postbox::postgres_backend());
  auto tracker = klaviyo::start(config);
  stripe::Config webhooks;
  if (stripe::postgres_fact_store("sqlite:shop.db")) return 1;
  webhooks.fact_store = *stripe::postgres_fact_store(config.engine.outbox.url);
  webhooks.secrets = {"whsec_of_the_shop"};
  webhooks.threads = false;  // nothing needs the database
  auto webhook = stripe::Webhook::start(webhooks, *tracker);
  return webhook && webhook->handle("{}", "").status == 400 ? 0 : 1;
}

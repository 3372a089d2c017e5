// A shop whose events wait in a PostgreSQL database, and which sees nothing but the installed
// package.
#include <klaviyo/klaviyo.hpp>
#include <postbox/postgres_backend.hpp>

int main() {
  klaviyo::Config config;
  config.engine.outbox.url = "postgres://shop@/shop?host=/nowhere";
  if (klaviyo::start(config)) return 1;  // nobody has said what that is
  config.engine.outbox.backends.push_back(&postbox::postgres_backend());
  const auto tracker = klaviyo::start(config);  // without a key nothing needs the database
  return tracker ? 0 : 1;
}

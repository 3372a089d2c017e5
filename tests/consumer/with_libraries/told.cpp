// A sender of what other languages tell, which sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_postgres/told_events.hpp>

int main() {
  auto tracker = klaviyo::start(klaviyo::Config{.engine = {.outbox = {.url = "memory:"}}});
  if (!tracker) return 1;
  if (klaviyo::ToldEvents::start(*tracker, "memory:")) return 1;  // that is no database
  const auto told = klaviyo::ToldEvents::start(*tracker, "postgres://shop@/shop?host=/nowhere",
                                               [](postbox::LogLevel, std::string_view) {});
  return told ? 0 : 1;
}

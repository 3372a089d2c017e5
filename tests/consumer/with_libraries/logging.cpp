// A shop that logs with spdlog and sees nothing but the installed package.
#include <klaviyo/klaviyo.hpp>
#include <postbox/spdlog.hpp>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

int main() {
  std::ostringstream text;
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "shop", std::make_shared<spdlog::sinks::ostream_sink_mt>(text)));

  klaviyo::Config config;
  config.engine.outbox.url = "memory:";
  config.engine.log = postbox::log_to(spdlog::default_logger());
  if (!klaviyo::start(config)) return 1;
  return text.str().find("KLAVIYO_API_KEY") == std::string::npos ? 1 : 0;
}

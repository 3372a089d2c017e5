// Any text is an environment file or a named error, never a crash.
#include <cstdint>
#include <string_view>

#include <postbox/config.hpp>
#include <postbox/environment.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto environment = postbox::Environment::parse(text)) {
    postbox::Config config;
    if (config.apply(*environment)) (void)config.validate().has_value();
  }
  (void)postbox::parse_duration(text).has_value();
  (void)postbox::parse_bytes(text).has_value();
  return 0;
}

// Klaviyo's settings: a flag, a quota share or an address is accepted whole or refused, and what
// was accepted means the same when it is written and read again.
#include <klaviyo/config.hpp>
#include <postbox/environment.hpp>

#include "base/http_url.hpp"
#include "fuzz_input.hpp"

using namespace postbox::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  if (const auto flag = postbox::Flag::parse(text)) {
    require(postbox::Flag::parse(flag->to_string()).value() == *flag);
  }
  if (const auto share = klaviyo::QuotaShare::parse(text)) {
    require(share->per_mille >= 1 && share->per_mille <= 1000);
    require(klaviyo::QuotaShare::parse(share->to_string()).value() == *share);
  }
  if (const auto url = postbox::parse_api_url(text)) {
    require(url->starts_with("https://") || url->starts_with("http://"));
    require(url->find_first_of("\r\n\t @#") == std::string::npos);
    require(postbox::parse_api_url(*url).value() == *url);
  }
  if (const auto url = postbox::parse_app_url(text)) {
    require(postbox::parse_app_url(*url).value() == *url);
  }
  require(klaviyo::masked_key(text).size() <= std::string_view("pk_…1234").size());
  if (const auto environment = postbox::Environment::parse(text)) {
    const auto config = klaviyo::Config::from(*environment);
    if (config) (void)config->validate().has_value();
  }
  return 0;
}

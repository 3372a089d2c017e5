// A token is refused, or it is exactly what was signed: no second text stands for the same link.
#include <klaviyo/recovery.hpp>
#include <klaviyo/recovery_key.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string secret = "a secret of the shop's own";
  const std::string_view token(reinterpret_cast<const char*>(data), size);
  const postbox::WallTime now(std::chrono::seconds(1'795'341'600));
  const auto cart = klaviyo::verify_recovery_token(token, {secret}, now);
  if (!cart) return 0;
  const klaviyo::RecoveryKey key(secret);
  if (klaviyo::make_recovery_token(cart->cart_id, cart->expires_at, key) != token) std::abort();
  return 0;
}

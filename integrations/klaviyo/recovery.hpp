// A recovery token brings a customer back to a cart: the link in an Abandoned Checkout carries one,
// and the shop's route asks verify_recovery_token() which cart it is for.
//
// Place:     made when a cart's timer starts; checked in the shop's route.
// Threads:   may be called from several threads at once.
// Lifetime:  plain values.
// Failure:   a token that is not good is one of the kToken… errors; no message shows any of it.
//
// A token is base64url, without padding, of
//
//   version 1 (1 byte) · key id (4) · expiry, Unix seconds (8) · length of the cart id (2)
//   · cart id · HMAC-SHA256 of all before (32)
//
// with numbers in network order. It names no user and holds no address: whoever has the link has
// the cart, and nothing else. The key id, four bytes of an HMAC of the secret, tells a token of
// another key from one that was changed.
#pragma once

#include <postbox/result.hpp>
#include <postbox/time.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

class RecoveryKey;  // recovery_key.hpp

// A link names the cart and no user, though the shop's user id would be handy: it is personal data
// in a URL, and the shop knows whose cart it is. A cart's id that looks like an address gets no
// link.
//
// Whether a token can name the cart: its id has at most 200 bytes and holds no e-mail address.
[[nodiscard]] bool fits_a_link(std::string_view cart_id) noexcept;

// Returns the token; empty when OpenSSL refuses to sign, or when the cart's id does not fit a link.
[[nodiscard]] std::string make_recovery_token(std::string_view cart_id,
                                              postbox::WallTime expires_at, const RecoveryKey& key);

struct RecoveredCart {
  std::string cart_id{};
  postbox::WallTime expires_at{};
};

// Check a token of any of `secrets` (Config::recovery_secrets), in constant time. Fails with
// kTokenTruncated, kTokenMalformed, kTokenForeign (the key is none of these), kTokenTampered or
// kTokenExpired.
[[nodiscard]] postbox::Result<RecoveredCart> verify_recovery_token(
    std::string_view token, const std::vector<std::string>& secrets, postbox::WallTime now);

// The same by the clock of the machine.
[[nodiscard]] postbox::Result<RecoveredCart> verify_recovery_token(
    std::string_view token, const std::vector<std::string>& secrets);

}  // namespace klaviyo

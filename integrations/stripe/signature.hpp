// verify() says whether Stripe sent a webhook's body.
//
// Place:     called by Webhook::handle(), before anything looks into the body.
// Threads:   pure functions.
// Lifetime:  keep nothing.
// Failure:   a SignatureCheck other than kValid. Nothing says which part of a signature was wrong.
//
// The rules are those of Stripe's own libraries. Where these disagree, the strictest rule that
// Stripe's deliveries pass applies: https://docs.stripe.com/webhooks#verify-manually
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <postbox/clock.hpp>
#include <postbox/result.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace stripe {

enum class SignatureCheck : std::uint8_t {
  kValid,
  kMissingHeader,
  kEmptyBody,
  kMalformedHeader,  // no or several `t`, one that is no positive number, or longer than 4 KiB
  kNoSignature,      // no `v1`; other schemes, such as the test mode's v0, do not count
  kMismatch,
  kTooOld,
  kInFuture,
  kBadSecret,  // none, or a blank one: anyone could sign
};

// "signature_mismatch": for log lines.
[[nodiscard]] std::string_view to_string(SignatureCheck check) noexcept;

// The tolerance of Stripe's libraries.
inline constexpr std::chrono::seconds kTolerance{300};

// Does not check the time: for recorded bodies.
inline constexpr std::optional<std::chrono::seconds> kNoTolerance{};

// Check the Stripe-Signature `header` of `body`, the bytes as they came: JSON that was read and
// written again has another signature. One match of any signature with any of the `secrets` is
// enough: a secret that is being replaced stays valid for a while, and several endpoints may share
// an address. A secret is the whole string, whsec_ included. The time of signing may be up to
// `tolerance` before or after `now`.
[[nodiscard]] SignatureCheck verify(std::string_view body, std::string_view header,
                                    const std::vector<std::string>& secrets, postbox::WallTime now,
                                    std::optional<std::chrono::seconds> tolerance = kTolerance);

// The value of Stripe-Signature that Stripe would send: for tests of programs that take webhooks.
[[nodiscard]] std::string sign(std::string_view body, std::string_view secret,
                               postbox::WallTime now);

// Splits "whsec_…, whsec_…" at the commas, without the blanks and quotes around each part. Fails
// with kInvalidConfig when a part is not a signing secret: whsec_ and something after it. The
// message does not show it.
[[nodiscard]] postbox::Result<std::vector<std::string>> parse_secrets(std::string_view text);

}  // namespace stripe

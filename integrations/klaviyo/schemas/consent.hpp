// Consent is what somebody has agreed to, or agrees to no longer: by which channels, and to what.
//
// Place:     made by a checkout's or a preference page's route, handed to klaviyo::subscribe() or
//            unsubscribe().
// Threads:   plain values.
// Lifetime:  owns its strings.
// Failure:   see events/consent.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <postbox/time.hpp>
#include <string>
#include <vector>

namespace klaviyo {

// Marketing by e-mail needs Profile::email; by SMS and WhatsApp Profile::phone.
enum class Channel : std::uint8_t { kEmail, kSms, kWhatsApp };

struct Consent {
  // Klaviyo's id of a list: "Y6nRLr". Whether its subscribers are asked to confirm (double opt-in)
  // is the list's own setting. Defaults to none: subscribe() goes by the account's setting, and
  // unsubscribe() is global.
  std::string list{};

  std::vector<Channel> channels{Channel::kEmail};  // at least one

  // When it was given, for consent that was collected before: older than kConsentIsNews it is a
  // historical import, of which Klaviyo neither asks for a confirmation nor starts a flow. Defaults
  // to now. Of subscribe() alone.
  std::optional<postbox::WallTime> consented_at{};

  std::string custom_source{};  // how it was given: "Checkout". Of subscribe() alone
};

// A consent that was given within this time is told as it happens: the list's double opt-in holds.
inline constexpr std::chrono::minutes kConsentIsNews{10};

}  // namespace klaviyo

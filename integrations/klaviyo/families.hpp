// The families of Klaviyo events: one feature flag each, one queue for what happens and one for
// backfills.
//
// Place:     named by the builders, by Config's flags and by Destination.
// Threads:   constants.
// Lifetime:  constants; a shop's own families, too, live as long as the program.
// Failure:   a name or a number that is not accepted does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <postbox/flags.hpp>
#include <postbox/trackable.hpp>
#include <string_view>
#include <vector>

namespace klaviyo {

// The flag list, in order of priority. Queue numbers are written to disk: never change one, never
// use one again. The lowest goes first; those below kFirstOwnQueue are this library's. The sentence
// is for .env.example and docs/configuration.md.
inline constexpr std::array kFamilies{
    postbox::Family{postbox::QueueId{1}, "purchase", "KLAVIYO_PURCHASE_EVENTS_ENABLED",
                    "Orders, and what becomes of them."},
    postbox::Family{postbox::QueueId{2}, "subscription", "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED",
                    "Subscriptions from their start to their end."},
    postbox::Family{postbox::QueueId{3}, "cart", "KLAVIYO_CART_ABANDONED_ENABLED",
                    "Carts, checkouts, products viewed, and the reminders of abandoned carts."},
    postbox::Family{postbox::QueueId{4}, "profile", "KLAVIYO_PROFILE_EVENTS_ENABLED",
                    "Profiles, of identify(). They need a key with the scope profiles:write, too."},
    postbox::Family{postbox::QueueId{5}, "custom", "KLAVIYO_CUSTOM_EVENTS_ENABLED",
                    "Events without a type, of custom_event()."},
    postbox::Family{postbox::QueueId{6}, "consent", "KLAVIYO_CONSENT_EVENTS_ENABLED",
                    "Consent, of subscribe() and unsubscribe(). It needs the scopes lists:write, "
                    "profiles:write and subscriptions:write."},
};

// The family of that name. Does not compile when the flag list has none.
[[nodiscard]] consteval const postbox::Family& family(std::string_view name) {
  for (const postbox::Family& listed : kFamilies) {
    if (listed.name == name) return listed;
  }
  throw "the flag list has no family of that name";
}

inline constexpr const postbox::Family& kPurchase = family("purchase");
inline constexpr const postbox::Family& kSubscription = family("subscription");
inline constexpr const postbox::Family& kCart = family("cart");
inline constexpr const postbox::Family& kProfile = family("profile");  // of identify()
inline constexpr const postbox::Family& kCustom = family("custom");    // of custom_event()
inline constexpr const postbox::Family& kConsent = family("consent");  // of subscribe()

// The queue numbers that are a shop's to give to families of its own.
inline constexpr std::uint32_t kFirstOwnQueue = 8;
inline constexpr std::uint32_t kLastOwnQueue = 15;

// Where the backfills of a family wait, behind everything that happens now. The queue of a backfill
// is its own.
[[nodiscard]] constexpr postbox::QueueId backfill_queue(postbox::QueueId queue) {
  return postbox::QueueId{static_cast<std::uint32_t>(queue) | (kLastOwnQueue + 1)};
}
static_assert(static_cast<std::size_t>(backfill_queue(postbox::QueueId{kLastOwnQueue})) <
                  postbox::kMaxQueues,
              "every FlagSet has the queues of the backfills");

// The family that `queue` belongs to, as an index: a backfill has its family's flag.
[[nodiscard]] constexpr std::size_t flag_index(postbox::QueueId queue) {
  return static_cast<std::uint32_t>(queue) & kLastOwnQueue;
}

// Every queue of this library's families and `own` ones in order of priority: what happens now,
// then the backfills under the same flags.
[[nodiscard]] std::vector<postbox::Family> every_queue(const std::vector<postbox::Family>& own);

namespace detail {

// A name as a template argument. Not for use by callers.
template <std::size_t Size>
struct FamilyName {
  consteval FamilyName(const char (&name)[Size]) {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i < Size; ++i) text[i] = name[i];
  }
  [[nodiscard]] constexpr std::string_view view() const { return {text.data(), Size - 1}; }
  [[nodiscard]] constexpr bool is_plain() const {
    for (const char c : view()) {
      if ((c < 'a' || c > 'z') && c != '_') return false;
    }
    return Size > 1;
  }

  std::array<char, Size> text{};
};

template <FamilyName Name>
inline constexpr auto kOwnVariable = [] {
  constexpr std::string_view kBefore = "KLAVIYO_";
  constexpr std::string_view kAfter = "_EVENTS_ENABLED";
  std::array<char, kBefore.size() + Name.view().size() + kAfter.size()> text{};
  auto* at = text.data();
  for (const char c : kBefore) *at++ = c;
  for (const char c : Name.view()) *at++ = c == '_' ? c : static_cast<char>(c - 'a' + 'A');
  for (const char c : kAfter) *at++ = c;
  return text;
}();

template <FamilyName Name>
inline constexpr FamilyName kOwnName = Name;

}  // namespace detail

// A family of the shop's own, for Config::own_families and for the events that name it:
//
//   inline constexpr postbox::Family kLoyalty = klaviyo::own_family<8, "loyalty">;
//
// Its flag is KLAVIYO_LOYALTY_EVENTS_ENABLED. The number is written to disk: never give it to
// another family. The name has small letters and underscores.
template <std::uint32_t Queue, detail::FamilyName Name>
requires(Queue >= kFirstOwnQueue && Queue <= kLastOwnQueue &&
         Name.is_plain()) inline constexpr postbox::Family own_family{
    postbox::QueueId{Queue}, detail::kOwnName<Name>.view(),
    std::string_view(detail::kOwnVariable<Name>.data(), detail::kOwnVariable<Name>.size())};

}  // namespace klaviyo

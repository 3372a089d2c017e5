// subscribe() and unsubscribe() turn a Profile and a Consent into what Tracker::track() takes.
//
// Place:     the consent family; between a route and the tracker.
// Threads:   plain values; const members may be called from several threads at once.
// Lifetime:  own what they were made from.
// Failure:   none here: track() rejects with every violation: no channel, none whose address or
//            number can be used, a time to come. Of several channels those that reach somebody go
//            on, and a warning names the others. The key needs the scopes lists:write,
//            profiles:write and subscriptions:write; without them consent waits, and events go on.
//            A list that does not exist makes a dead letter.
//
// Of one person the last word wins, in any outage: what is told of an address, or of a number, is
// sent in the order of the calls, one at a time, and nothing takes the place of anything. A
// percentage of the family's flag counts addresses and numbers.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/consent.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <postbox/trackable.hpp>
#include <vector>

namespace klaviyo {

class ConsentUpdate {
 public:
  enum class Verb : std::uint8_t { kSubscribe, kUnsubscribe };

  ConsentUpdate(Verb verb, Profile profile, Consent consent);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kConsent; }
  [[nodiscard]] postbox::Key profile_key() const;
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return consent_.channels.size(); }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] Verb verb() const noexcept { return verb_; }
  [[nodiscard]] const Profile& profile() const noexcept { return profile_; }
  [[nodiscard]] const Consent& consent() const noexcept { return consent_; }

 private:
  [[nodiscard]] Profile known_to(const postbox::EventBatch& batch) const;

  Verb verb_;
  Profile profile_;
  Consent consent_;                          // each channel once
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

// By what a word about that channel is ordered and forgotten: the address, or the number. Keys are
// written to disk: the recipe must never change.
[[nodiscard]] postbox::Key consent_key(Channel channel, const Profile& profile);

//   tracker->track(klaviyo::subscribe(order.customer, {.list = "Y6nRLr", .custom_source =
//   "Checkout"}));
[[nodiscard]] ConsentUpdate subscribe(Profile profile, Consent consent = {});

// From the list; somebody who is not on it is unsubscribed from everything, as without a list: then
// the result has a warning that says so.
[[nodiscard]] ConsentUpdate unsubscribe(Profile profile, Consent consent = {});

}  // namespace klaviyo

// identify() turns a Profile into what Tracker::track() takes: its fields and properties at Klaviyo
// are set, without an event.
//
// Place:     the profile family; between a route and the tracker.
// Threads:   a plain value; const members may be called from several threads at once.
// Lifetime:  owns the profile.
// Failure:   none here: track() rejects with every violation. A profile that Klaviyo answers with
//            409 (its identifiers belong to two) becomes a dead letter. The key needs the scope
//            profiles:write; without it profiles wait, and events go on. Klaviyo takes no
//            anonymous_id here: alone it is a violation, beside another identifier it is left out.
#pragma once

#include <klaviyo/families.hpp>
#include <klaviyo/schemas/profile.hpp>
#include <postbox/tracker.hpp>
#include <vector>

namespace klaviyo {

struct Settled;

class ProfileUpdate {
 public:
  explicit ProfileUpdate(Profile profile);

  [[nodiscard]] const postbox::Family& family() const noexcept { return kProfile; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(profile_); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const;
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const;

  [[nodiscard]] const Profile& profile() const noexcept { return profile_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = true;

  void encode_settled(postbox::EventBatch& batch) const;
  [[nodiscard]] const Profile& customer() const noexcept { return profile_; }
  [[nodiscard]] Profile& customer() noexcept { return profile_; }

  Profile profile_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

// Of one profile the last update wins, also after an outage: updates are sent in the order of the
// calls, and while they wait a newer one takes the place of one that sets the same fields.
[[nodiscard]] ProfileUpdate identify(Profile profile);

// The keys by which the outbox knows a person's events and what they have said of consent: of each
// identifier that `profile` has, since an event goes by the strongest that it was reported with.
[[nodiscard]] std::vector<postbox::Key> keys_of(Profile profile, std::string_view default_country);

// Remove a person's events that wait here, dead letters and carts included: of each identifier that
// `profile` has, since an event goes by the strongest that it was reported with. What Klaviyo has
// is for its data privacy API. Returns how many were removed. Fails as Tracker::forget() does; then
// some may be gone.
[[nodiscard]] postbox::Result<std::size_t> forget(postbox::Tracker& tracker, Profile profile);

// The same beside a running server. `default_country` is Config::default_country.
[[nodiscard]] postbox::Result<std::size_t> forget(postbox::Operator& outbox, Profile profile,
                                                  std::string_view default_country = {});

}  // namespace klaviyo

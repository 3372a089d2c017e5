// Customer's identifiers, as far as they are known only when an event meets its tracker: the
// country of numbers without one, and so which identifiers Klaviyo takes.
//
// Place:     the builders' encode() and profile_key(): around what they do.
// Threads:   pure functions.
// Lifetime:  the settled copy lives during the call.
// Failure:   none here: what no identifier is left of is refused by validate_profile().
#pragma once

#include <klaviyo/schemas/profile.hpp>
#include <postbox/trackable.hpp>
#include <string_view>
#include <vector>

namespace klaviyo {

// Config::default_country of the batch's tracker; empty without one.
[[nodiscard]] std::string_view default_country(const postbox::EventBatch& batch);

// An event is built in the form that almost all have: with identifiers that Klaviyo takes. Of
// another one a copy is settled, which ends with the call: a batch has its name from the event
// itself. An event lets this see its customer(), its `changes_` and whether it is of a profile
// alone.
struct Settled {
  // Warn of what was changed, unless the event is rejected.
  static void report(const std::vector<postbox::Violation>& changes, postbox::EventBatch& batch);

  template <class Event, class Use>
  static auto use(const Event& event, const postbox::EventBatch& batch, const Use& what) {
    if (is_settled(event.customer())) return what(event);
    Event settled(event);
    const postbox::Path root;
    const postbox::Path below = root.child("customer");
    settle(settled.customer(), default_country(batch), Event::kIsProfile ? root : below,
           settled.changes_);
    return what(settled);
  }

  template <class Event>
  static void encode(const Event& event, postbox::EventBatch& batch) {
    use(event, batch, [&](const Event& settled) {
      settled.encode_settled(batch);
      report(settled.changes_, batch);
    });
  }

  template <class Event>
  static postbox::Key profile_key(const Event& event, const postbox::EventBatch& batch) {
    return use(event, batch, [](const Event& settled) { return settled.profile_key(); });
  }
};

}  // namespace klaviyo

// event() turns a struct of the shop's own, with a table of its fields, into what Tracker::track()
// takes; custom_event() does it with a name and properties alone.
//
// Place:     between a route and the tracker.
// Threads:   plain values; const members may be called from several threads at once.
// Lifetime:  own what they were made from.
// Failure:   none here: track() rejects with every violation. A table that no event could be made
//            of does not compile: see table_rules.hpp.
#pragma once

#include <concepts>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/schemas/custom.hpp>
#include <klaviyo/schemas/ignored.hpp>
#include <klaviyo/schemas/table_rules.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klaviyo {

// A struct with the metric's name, its family and a table:
//
//   struct PointsEarned : klaviyo::EventBasics {
//     static constexpr std::string_view kMetric = "Points Earned";
//     static constexpr const postbox::Family& kFamily = kLoyalty;
//     std::int64_t points = 0;
//   };
//
//   template <>
//   struct postbox::Schema<PointsEarned> {
//     static constexpr auto fields = std::make_tuple(
//         field("Points", "points", &PointsEarned::points, {.minimum = 1}, "How many."));
//   };
//
// Its family is one of Config::own_families.
template <class T>
concept TypedEvent = std::derived_from<T, EventBasics> && postbox::HasSchema<T> && requires {
  { T::kFamily } -> std::convertible_to<const postbox::Family&>;
};

namespace detail {

// An EventHead with the texts that it points at.
struct OwnedHead {
  std::string kind;
  std::string unique_id;
  EventHead head;
};

// Append the value to the contents that a default unique_id is made of; nothing without one.
void append_worth(const std::optional<Money>& value, std::string& contents);

// Checks the rest and fills `owned`. `contents` is what a default unique_id is made of. False when
// the batch has a violation.
[[nodiscard]] bool begin_event(const EventBasics& event, std::string_view metric,
                               const postbox::Family& family, std::string_view contents,
                               postbox::EventBatch& batch, OwnedHead& owned);

}  // namespace detail

template <TypedEvent T>
class Event {
 public:
  explicit Event(T event) : event_(std::move(event)) {
    const postbox::Path root;
    normalize(event_.customer, {}, root.child("customer"), changes_);
  }

  [[nodiscard]] const postbox::Family& family() const noexcept { return T::kFamily; }
  [[nodiscard]] postbox::Key profile_key() const { return klaviyo::profile_key(event_.customer); }
  // The same as the batch's tracker knows it: by its default country.
  [[nodiscard]] postbox::Key profile_key(const postbox::EventBatch& batch) const {
    return Settled::profile_key(*this, batch);
  }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const {
    batch.set_name({batch.name_of(metric()), metric(), event_.unique_id});
    Settled::encode(*this, batch);
  }

  [[nodiscard]] std::string_view metric() const noexcept {
    if constexpr (requires { T::kMetric; }) {
      return T::kMetric;
    } else {
      return event_.name;
    }
  }
  [[nodiscard]] const T& fields() const noexcept { return event_; }

 private:
  friend struct Settled;
  static constexpr bool kIsProfile = false;

  [[nodiscard]] const Profile& customer() const noexcept { return event_.customer; }
  [[nodiscard]] Profile& customer() noexcept { return event_.customer; }
  void encode_settled(postbox::EventBatch& batch) const {
    postbox::validate(event_, postbox::Path(), batch.violations());
    validate_basics(event_, postbox::count_members(event_), postbox::has_field<T>, batch.now(),
                    batch.violations());
    std::string contents;
    if (event_.unique_id.empty()) {
      write_properties(event_.properties, postbox::write_members(event_, true, contents), contents);
      detail::append_worth(event_.value, contents);
    }
    detail::OwnedHead owned;
    if (!detail::begin_event(event_, metric(), family(), contents, batch, owned)) return;
    warn_of_ignored(event_, event_.properties, event_.customer, batch);
    add_event(owned.head, event_, event_.properties, json_size_hint(event_.properties), batch);
  }

  static constexpr TableFault kFault = table_fault<T>();
  static_assert(kFault != TableFault::kNoName, "a field of the table has no name or no path");
  static_assert(kFault != TableFault::kReserved,
                "a name in the table begins with \"$\", which Klaviyo reserves");
  static_assert(kFault != TableFault::kUnescaped,
                "a name in the table has a quote, a backslash or a control character");
  static_assert(kFault != TableFault::kRepeated, "two fields of the table have the same name");

  T event_;
  std::vector<postbox::Violation> changes_;  // of the identifiers, by normalize()
};

template <TypedEvent T>
[[nodiscard]] Event<T> event(T fields) {
  return Event<T>(std::move(fields));
}

// A one-off that has no type: checked against the same limits. KLAVIYO_CUSTOM_EVENTS_ENABLED.
//
//   tracker->track(klaviyo::custom_event("Quiz Finished", customer, {{"Score", 7}}));
[[nodiscard]] Event<CustomEvent> custom_event(std::string name, Profile customer,
                                              std::vector<Property> properties = {},
                                              std::optional<Money> value = {},
                                              std::string unique_id = {});
[[nodiscard]] Event<CustomEvent> custom_event(CustomEvent event);

}  // namespace klaviyo

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
#include <cstddef>
#include <klaviyo/schemas/custom.hpp>
#include <klaviyo/schemas/ignored.hpp>
#include <klaviyo/schemas/table_rules.hpp>
#include <optional>
#include <string>
#include <string_view>
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

// The typed fields of an event without their type, so that what is done with them is compiled once.
struct TypedFields {
  const void* event;
  void (*validate)(const void*, std::vector<postbox::Violation>&);
  std::size_t (*count)(const void*);
  bool (*has_name)(std::string_view);
  bool (*write)(const void*, bool first, std::string& out);
  void (*find_ignored)(const void*, std::vector<postbox::Violation>&);
  void (*find_mended)(const void*, std::vector<postbox::Violation>&);
};

template <class T>
TypedFields typed_fields(const T& event) {
  using Violations = std::vector<postbox::Violation>;
  return {&event,
          [](const void* e, Violations& violations) {
            postbox::validate(*static_cast<const T*>(e), postbox::Path(), violations);
          },
          [](const void* e) { return postbox::count_members(*static_cast<const T*>(e)); },
          postbox::has_field<T>,
          [](const void* e, bool first, std::string& out) {
            return postbox::write_members(*static_cast<const T*>(e), first, out);
          },
          [](const void* e, Violations& warnings) {
            klaviyo::find_ignored(*static_cast<const T*>(e), warnings);
          },
          [](const void* e, Violations& warnings) {
            postbox::find_mended(*static_cast<const T*>(e), postbox::Path(), warnings);
          }};
}

// The parts of an event that encode() needs.
struct TypedView {
  const EventBasics* basics;
  std::string_view metric;
  const postbox::Family* family;
  TypedFields fields;
  const std::vector<postbox::Violation>* changes;  // of the identifiers, by normalize()
};

void encode(const TypedView& event, postbox::EventBatch& batch);

// profile_key() as the batch's tracker knows it: by its default country.
[[nodiscard]] postbox::Key profile_key(const Profile& customer, const postbox::EventBatch& batch);

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
    return detail::profile_key(event_.customer, batch);
  }
  [[nodiscard]] std::size_t size() const noexcept { return 1; }
  void encode(postbox::EventBatch& batch) const {
    detail::encode({&event_, metric(), &T::kFamily, detail::typed_fields(event_), &changes_},
                   batch);
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

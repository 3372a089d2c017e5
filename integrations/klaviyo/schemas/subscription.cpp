#include <algorithm>
#include <array>
#include <klaviyo/encode.hpp>
#include <klaviyo/schemas/subscription.hpp>

namespace klaviyo {
namespace {

// In the order of Interval.
constexpr std::array<std::string_view, 4> kIntervals = {"day", "week", "month", "year"};

}  // namespace

std::string_view to_string(Interval interval) noexcept {
  const auto index = static_cast<std::size_t>(interval);
  return index < kIntervals.size() ? kIntervals[index] : std::string_view();
}

std::optional<Interval> parse_interval(std::string_view text) noexcept {
  const auto* found = std::find(kIntervals.begin(), kIntervals.end(), text);
  if (found == kIntervals.end()) return std::nullopt;
  return static_cast<Interval>(found - kIntervals.begin());
}

void validate_subscription(const Subscription& subscription, postbox::WallTime now,
                           std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  const SubscriptionStarted started{&subscription};
  postbox::validate(started, root, violations);
  validate_profile(subscription.customer, root.child("customer"), violations);
  if (subscription.started_at) {
    check_time(*subscription.started_at, now, root.child("started_at"), violations);
  }
  validate_properties(subscription.properties, postbox::count_members(started),
                      postbox::has_field<SubscriptionStarted>, violations);
}

}  // namespace klaviyo

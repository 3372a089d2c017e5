#include <algorithm>
#include <array>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <klaviyo_json/json_paths.hpp>
#include <klaviyo_postgres/told_event.hpp>

namespace klaviyo {
namespace {

using postbox::WallTime;

// The time of what is told of an order, a cart … where its body has none.
void date(Order& order, WallTime told_at) {
  if (!order.placed_at) order.placed_at = told_at;
}
void date(Cart& cart, WallTime told_at) {
  if (!cart.updated_at) cart.updated_at = told_at;
}
void date(ProductView& view, WallTime told_at) {
  if (!view.occurred_at) view.occurred_at = told_at;
}
void date(CustomEvent& event, WallTime told_at) {
  if (!event.occurred_at) event.occurred_at = told_at;
}
void date(Subscription& subscription, WallTime told_at) {
  if (!subscription.occurred_at) subscription.occurred_at = told_at;
}

std::string text_of(const std::vector<postbox::Violation>& violations) {
  std::string text;
  for (const auto& [path, rule] : violations) {
    text += text.empty() ? "" : "; ";
    text += path + ' ' + rule;
  }
  return text;
}

template <class T, class Event>
ToldDraft draft(postbox::Tracker& tracker, const T& value, const Event& event) {
  ToldDraft made{.draft = tracker.draft(event)};
  if (made.draft.result.status() == postbox::TrackStatus::kRejected) {
    made.problem = text_of(in_json(value, made.draft.result.violations()));
    if (made.problem.empty()) made.problem = made.draft.result.to_string();
  }
  return made;
}

// Reads a T and hands it to `build`, which returns the event.
template <class T, class Build>
ToldDraft read_and(postbox::Tracker& tracker, const ToldEvent& told, Build build) {
  FromJson<T> read = parse_json<T>(told.body);
  if (!read) return {.problem = text_of(read.violations)};
  return draft(tracker, *read, build(*read, told.told_at));
}

struct Teller {
  std::string_view event;
  std::string_view shape;
  ToldDraft (*draft)(postbox::Tracker& tracker, const ToldEvent& told);
};

// An event of what its body says, at the body's time.
template <class T, auto kBuild>
constexpr Teller teller(std::string_view event, std::string_view shape) {
  return {event, shape, [](postbox::Tracker& tracker, const ToldEvent& told) {
            return read_and<T>(tracker, told, [](T& value, WallTime told_at) {
              date(value, told_at);
              return kBuild(value);
            });
          }};
}

// Later events of an order: at the time when they were told, not at the order's.
template <auto kBuild>
constexpr Teller later(std::string_view event) {
  return {event, "order", [](postbox::Tracker& tracker, const ToldEvent& told) {
            return read_and<Order>(tracker, told, kBuild);
          }};
}

ToldDraft draft_start(postbox::Tracker& tracker, const ToldEvent& told) {
  return read_and<Subscription>(tracker, told, [](Subscription& subscription, WallTime told_at) {
    if (!subscription.started_at) date(subscription, told_at);
    return subscription_started(subscription);
  });
}

ToldDraft draft_identify(postbox::Tracker& tracker, const ToldEvent& told) {
  return read_and<Profile>(tracker, told,
                           [](Profile& profile, WallTime) { return identify(profile); });
}

// `consented_at` is for consent of old, and is no default.
ToldDraft draft_consent(postbox::Tracker& tracker, const ToldEvent& told) {
  return read_and<ConsentWord>(tracker, told, [](ConsentWord& word, WallTime) {
    return word.action == ConsentUpdate::Verb::kSubscribe
               ? subscribe(word.customer, word.consent)
               : unsubscribe(word.customer, word.consent);
  });
}

// As postbox_told_events() in version_1_told.sql.
constexpr std::array kTellers{
    teller<Order, [](const Order& order) { return order_placed(order); }>("order_placed", "order"),
    later<[](const Order& order, WallTime at) {
      return order_fulfilled(order, {.fulfilled_at = at});
    }>("order_fulfilled"),
    later<[](const Order& order, WallTime at) {
      return order_cancelled(order, {.cancelled_at = at});
    }>("order_cancelled"),
    later<[](const Order& order, WallTime at) {
      return order_refunded(order, {.refunded_at = at});
    }>("order_refunded"),
    teller<Cart, [](const Cart& cart) { return cart_updated(cart); }>("cart_updated", "cart"),
    teller<Cart, [](const Cart& cart) { return checkout_started(cart); }>("checkout_started",
                                                                          "cart"),
    Teller{"subscription_started", "subscription", &draft_start},
    teller<Subscription, [](const Subscription& each) { return subscription_renewed(each); }>(
        "subscription_renewed", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_cancelled(each); }>(
        "subscription_cancelled", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_ended(each); }>(
        "subscription_ended", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_reactivated(each); }>(
        "subscription_reactivated", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_paused(each); }>(
        "subscription_paused", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_resumed(each); }>(
        "subscription_resumed", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_trial_started(each); }>(
        "subscription_trial_started", "subscription"),
    teller<Subscription, [](const Subscription& each) { return subscription_trial_ending(each); }>(
        "subscription_trial_ending", "subscription"),
    Teller{"identify", "profile", &draft_identify},
    teller<ProductView, [](const ProductView& view) { return product_viewed(view); }>(
        "product_viewed", "product_view"),
    teller<CustomEvent, [](const CustomEvent& event) { return custom_event(event); }>(
        "custom_event", "custom_event"),
    Teller{"consent", "consent", &draft_consent},
};

}  // namespace

ToldDraft draft_told(postbox::Tracker& tracker, const ToldEvent& told) {
  const auto found = std::ranges::find(kTellers, told.event, &Teller::event);
  if (found == kTellers.end()) return {.problem = "event is not one that can be told"};
  return found->draft(tracker, told);
}

std::vector<std::pair<std::string_view, std::string_view>> told_events() {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (const Teller& each : kTellers) all.emplace_back(each.event, each.shape);
  return all;
}

}  // namespace klaviyo

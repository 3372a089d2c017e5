#include "record_check.hpp"

#include <algorithm>
#include <array>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo_json/from_json.hpp>
#include <klaviyo_json/json_paths.hpp>
#include <utility>

namespace postbox::cli {
namespace {

auto event_of(const klaviyo::Order& order) { return klaviyo::order_placed(order); }
auto event_of(const klaviyo::Cart& cart) { return klaviyo::cart_updated(cart); }
auto event_of(const klaviyo::Subscription& subscription) {
  return klaviyo::subscription_started(subscription);
}
auto event_of(const klaviyo::Profile& profile) { return klaviyo::identify(profile); }
auto event_of(const klaviyo::ProductView& view) { return klaviyo::product_viewed(view); }
auto event_of(const klaviyo::CustomEvent& event) { return klaviyo::custom_event(event); }
auto event_of(const klaviyo::ConsentWord& word) {
  return word.action == klaviyo::ConsentUpdate::Verb::kSubscribe
             ? klaviyo::subscribe(word.customer, word.consent)
             : klaviyo::unsubscribe(word.customer, word.consent);
}

template <class T>
Checked check(std::string_view text, WallTime now, const EventContext* context) {
  klaviyo::FromJson<T> read = klaviyo::parse_json<T>(text);
  if (!read.is_object) return {std::move(read.violations), std::move(read.warnings)};
  EventBatch batch(now, nullptr, context);
  event_of(*read).encode(batch);
  Checked checked{klaviyo::merged(std::move(read.violations),
                                  klaviyo::in_json(*read, std::move(batch.violations()))),
                  std::move(read.warnings)};
  for (Violation& warning : klaviyo::in_json(*read, std::move(batch.warnings()))) {
    checked.warnings.push_back(std::move(warning));
  }
  return checked;
}

struct RecordType {
  const char* name;
  Checked (*check)(std::string_view text, WallTime now, const EventContext* context);
};

constexpr std::array<RecordType, 7> kTypes{{{"order", &check<klaviyo::Order>},
                                            {"cart", &check<klaviyo::Cart>},
                                            {"subscription", &check<klaviyo::Subscription>},
                                            {"profile", &check<klaviyo::Profile>},
                                            {"product_view", &check<klaviyo::ProductView>},
                                            {"custom_event", &check<klaviyo::CustomEvent>},
                                            {"consent", &check<klaviyo::ConsentWord>}}};

struct Sign {
  const char* member;
  const char* type;
};

// The first that is there tells: an order may name its cart, a subscription, too.
constexpr std::array<Sign, 12> kSigns{{{"action", "consent"},
                                       {"order_id", "order"},
                                       {"subscription_id", "subscription"},
                                       {"cart_id", "cart"},
                                       {"product_id", "product_view"},
                                       {"items", "order"},
                                       {"plan_id", "subscription"},
                                       {"name", "custom_event"},
                                       {"email", "profile"},
                                       {"phone", "profile"},
                                       {"external_id", "profile"},
                                       {"anonymous_id", "profile"}}};

}  // namespace

const std::vector<std::string>& record_types() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const RecordType& type : kTypes) all.emplace_back(type.name);
    return all;
  }();
  return names;
}

std::string guess_type(const nlohmann::json& object) {
  if (!object.is_object()) return {};
  const auto sign = std::ranges::find_if(
      kSigns, [&object](const Sign& each) { return object.contains(each.member); });
  return sign == kSigns.end() ? std::string() : sign->type;
}

Checked check_record(std::string_view text, const std::string& type, WallTime now,
                     const EventContext* context) {
  std::string name = type;
  if (name.empty()) {
    const auto object = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    name = guess_type(object);
    if (name.empty() && object.is_object()) {
      return {{{"body",
                "has no member that tells what it is, such as order_id, cart_id or "
                "subscription_id: name it with --type"}},
              {}};
    }
  }
  // A value that is no object is refused alike by all.
  const auto found = std::ranges::find(kTypes, name, &RecordType::name);
  return (found == kTypes.end() ? kTypes.front() : *found).check(text, now, context);
}

}  // namespace postbox::cli

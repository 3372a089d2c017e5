// Half a surrogate pair in a body of Stripe's: the event is kept, and the log says what was mended.
#include <gmock/gmock.h>

#include "support/field_cases.hpp"
#include "support/stripe_events.hpp"
#include "support/stripe_shop.hpp"

namespace postbox::tests {
namespace {

// `json` with the text "HERE" replaced by `escaped`, as it stands between quotes.
std::string with_escape(const Json& json, const std::string& escaped) {
  std::string text = json.dump();
  const std::size_t at = text.find("HERE");
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, 4, escaped);
}

Json trial_ending() {
  Json subscription = stripe_subscription("trialing");
  subscription["trial_end"] = kStripeStart + 86'400;
  return stripe_event("customer.subscription.trial_will_end", subscription);
}

TEST(StripeMended, HalfASurrogatePairAlsoWhereNothingReadsItKeepsTheEvent) {
  const Json cases = field_case("F15.json");
  if (cases.is_null()) GTEST_SKIP() << "no cases from the field";
  for (const auto& [name, escaped] : cases.items()) {
    StripeShop shop;
    shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
    Json unread = trial_ending();
    unread["data"]["object"]["metadata"]["note"] = "HERE";
    EXPECT_EQ(shop.deliver(with_escape(unread, escaped)).reason, "1 events") << name;
    ASSERT_EQ(shop.recorded().size(), 1U) << name;
    const bool is_half =
        name.starts_with("truncated") || name.starts_with("low half") || name.starts_with("halves");
    const auto has_line = std::ranges::any_of(shop.log, [](const std::string& line) {
      return line.find("half a surrogate pair") != std::string::npos;
    });
    EXPECT_EQ(has_line, is_half) << name;
  }
}

TEST(StripeMended, AFieldThatIsReadHasAReplacementCharacter) {
  StripeShop shop;
  shop.deliver(stripe_event("customer.created", stripe_customer()).dump());
  Json ended = stripe_event("customer.subscription.deleted", stripe_subscription("canceled"));
  ended["data"]["object"]["cancellation_details"] = {{"reason", "HERE"}};
  EXPECT_EQ(shop.deliver(with_escape(ended, "Tea \\ud83c")).status, 200);
  const auto events = shop.recorded();
  const auto is_mended = [](const Json& event) {
    return event["metric"] == "Subscription Ended" && event["properties"]["Reason"] == "Tea \ufffd";
  };
  EXPECT_EQ(std::ranges::count_if(events, is_mended), 1);
}

}  // namespace
}  // namespace postbox::tests

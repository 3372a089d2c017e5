// What shops have is accepted: the spellings of addresses, numbers and currencies that people
// write, and events of which one identifier can be used.
#include <gmock/gmock.h>

#include <fstream>
#include <klaviyo/cart_timers.hpp>
#include <klaviyo/email.hpp>
#include <klaviyo/phone.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "support/field_cases.hpp"
#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo::Profile;
using klaviyo_test::attributes_of;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::rule_at;
using postbox::tests::field_case;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kBuyer = "buyer1@goldenacre.example";

// One call of encode() by a tracker with a default country.
struct Tracked {
  explicit Tracked(const auto& event, std::string country = {}) {
    klaviyo::Config config;
    config.default_country = std::move(country);
    const klaviyo::CartTimers context(config);
    postbox::EventBatch batch(klaviyo_test::now(), nullptr, &context);
    event.encode(batch);
    key = event.profile_key(batch);
    violations = batch.violations();
    warnings = batch.warnings();
    mended = batch.mended();
    records = batch.records();
  }

  [[nodiscard]] Json profile() const {
    return records.empty() ? Json() : attributes_of(records[0])["profile"]["data"]["attributes"];
  }

  postbox::Key key{};
  std::vector<postbox::Violation> violations;
  std::vector<postbox::Violation> warnings;
  std::size_t mended = 0;
  std::vector<postbox::EventRecord> records;
};

Tracked placed(const Profile& customer, std::string country = {}) {
  auto paid = order();
  paid.customer = customer;
  return Tracked(klaviyo::order_placed(paid), std::move(country));
}

TEST(AcceptedEmail, EverySpellingFromTheFieldIsOneProfile) {
  const Json spellings = field_case("F06.json");
  if (spellings.is_null()) GTEST_SKIP() << "no cases from the field";
  const std::map<std::string, std::string> others = {
      {"plus", "buyer1+tea@goldenacre.example"},
      {"apostrophe", "o'brien@goldenacre.example"},
      {"dotted capital I", "i\u0307nes@goldenacre.example"}};
  for (const auto& [name, spelling] : spellings.items()) {
    const bool is_none =
        name.starts_with("trailing dot of local") || name.starts_with("single-letter TLD");
    const bool is_other = others.contains(name);
    const std::string wanted = is_other ? others.at(name) : kBuyer;
    const Tracked alone = placed({.email = spelling.get<std::string>()});
    EXPECT_EQ(alone.violations.empty(), !is_none) << name;
    const Tracked known = placed({.email = spelling.get<std::string>(), .external_id = "u-1"});
    ASSERT_THAT(known.violations, IsEmpty()) << name;
    EXPECT_EQ(known.profile()["email"], is_none ? Json() : Json(wanted)) << name;
    const bool is_changed = name.find("inside") != std::string::npos || name == "word joiner" ||
                            name == "semicolon list";
    EXPECT_EQ(rule_at(known.warnings, "customer.email").empty(), !is_none && !is_changed) << name;
    if (is_none) continue;
    EXPECT_EQ(alone.key, klaviyo::profile_key({.email = wanted})) << name;
    EXPECT_EQ(alone.records[0].profile_key, alone.key) << name;
    EXPECT_EQ(klaviyo::profile_key({.email = spelling.get<std::string>()}), alone.key) << name;
  }
}

struct Spelling {
  const char* given;
  const char* wanted;  // empty: cannot be used
};

TEST(AcceptedEmail, OneMailboxHasOneForm) {
  for (const auto& [given, wanted] :
       std::vector<Spelling>{{"Kunde@M\u00dcLLER.example", "kunde@xn--mller-kva.example"},
                             {"kunde@mu\u0308ller.example", "kunde@xn--mller-kva.example"},
                             {"kunde@XN--MLLER-KVA.example", "kunde@xn--mller-kva.example"},
                             {"a@stra\u00dfe.example", "a@xn--strae-oqa.example"},
                             {"e\u0301lodie@x.example", "\u00e9lodie@x.example"},
                             {"\u00c9lodie@x.example", "\u00e9lodie@x.example"},
                             {"x@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example",
                              "x@xn--mgba3gch31f060k.example"},
                             {"buyer1 @ goldenacre . example", kBuyer},
                             {"<buyer1@goldenacre.example>", kBuyer},
                             {"'buyer1@goldenacre.example'", kBuyer},
                             {"\u201cbuyer1@goldenacre.example\u201d", kBuyer},
                             {"buyer1@goldenacre.example,", kBuyer},
                             {"MAILTO:Buyer1@goldenacre.example?subject=Tea", kBuyer},
                             {"B <buyer1@goldenacre.example>, C <c@goldenacre.example>", kBuyer},
                             {"\xef\xbb\xbf\xe2\x80\xaa"
                              "buyer1@goldenacre.example\xe2\x80\xac",
                              kBuyer},
                             {"a..b@docomo.ne.jp", ""},
                             {"john smith@goldenacre.example", ""},
                             {"buyer1@golden\xed\xa0\xbc.example", ""},
                             {"buyer1", ""},
                             {"@", ""},
                             {"mailto:", ""},
                             {"buyer1@-x.example", ""}}) {
    const std::string clean = klaviyo::clean_email(given).address;
    EXPECT_EQ(klaviyo::is_email(clean), *wanted != '\0') << given;
    if (*wanted != '\0') {
      EXPECT_EQ(clean, wanted) << given;
    }
  }
}

TEST(AcceptedPhone, IsTakenAsPeopleWriteIt) {
  struct Number {
    const char* given;
    const char* country;
    const char* wanted;
  };
  for (const auto& [given, country, wanted] : std::vector<Number>{
           {"+49 170 1234567", "", "+491701234567"},
           {"+49\u00a0170\u20131234567", "", "+491701234567"},
           {"0049 (0) 170/123.45.67", "", "+491701234567"},
           {"tel:+49-170-1234567;ext=3", "", "+491701234567"},
           {"+44 (0)20 7946 0958", "", "+442079460958"},
           {"+39 06 1234 5678", "", "+390612345678"},
           {"\uff0b\uff18\uff11 \uff19\uff10\u30fc1234\u30fc5678", "", "+819012345678"},
           {"0170 1234567", "DE", "+491701234567"},
           {"0170 1234567", " de", "+491701234567"},
           {"Tel.: 0170 1234567", "DE", "+491701234567"},
           {"491701234567", "DE", "+491701234567"},
           {"(415) 555-0132", "US", "+14155550132"},
           {"1-415-555-0132 x12", "US", "+14155550132"},
           {"011 44 20 7946 0958", "US", "+442079460958"},
           {"020 7946 0958", "UK", "+442079460958"},
           {"06 1234 5678", "IT", "+390612345678"},
           {"393331234567", "IT", "+393331234567"},
           {"391 234 5678", "IT", "+393912345678"},
           {"01 23 45 67 89", "FR", "+33123456789"},
           {"612 34 56 78", "ES", "+34612345678"},
           {"8 (916) 123-45-67", "RU", "+79161234567"},
           {"06 20 123 4567", "HU", "+36201234567"},
           {"(55) 99912-3456", "BR", "+5555999123456"},
           {"8 612 34567", "LT", "+37061234567"},
           {"0170 1234567", "", ""},
           {"0170 1234567", "Germany", ""},
           {"(415) 555-0132", "", ""},
           {"1800FLOWERS", "US", ""},
           {"12", "DE", ""},
           {"n/a", "DE", ""},
           {"-", "DE", ""}}) {
    EXPECT_EQ(klaviyo::to_e164(given, klaviyo::country_code(country)), wanted)
        << given << " in " << country;
  }
}

TEST(AcceptedPhone, ComesFromTheOrdersCountryElseTheTrackers) {
  const Profile caller{.phone = "0170 1234567"};
  EXPECT_EQ(placed(caller, "DE").profile()["phone_number"], "+491701234567");
  EXPECT_EQ(placed(caller, "DE").key, klaviyo::profile_key({.phone = "+491701234567"}));
  auto shipped = order();
  shipped.customer = caller;
  shipped.billing_address = klaviyo::Address{.country_code = "FR"};
  shipped.shipping_address = klaviyo::Address{.country_code = "at"};
  EXPECT_EQ(Tracked(klaviyo::order_placed(shipped), "DE").profile()["phone_number"],
            "+431701234567");
  shipped.shipping_address->country_code = "";
  shipped.billing_address->country_code = "GB";
  shipped.customer.phone = "020 7946 0958";
  EXPECT_EQ(Tracked(klaviyo::order_fulfilled(shipped)).profile()["phone_number"], "+442079460958");
}

TEST(AcceptedIdentifiers, OneIsEnoughAndTheOthersAreLeftOutWithAWarning) {
  struct Case {
    Profile customer;
    const char* path;
  };
  const std::string too_long(300, 'x');
  for (const auto& [customer, path] : std::vector<Case>{
           {{.email = kBuyer, .phone = "0170 1234567"}, "customer.phone"},
           {{.email = kBuyer, .phone = "(415) 555-0132"}, "customer.phone"},
           {{.email = "a..b@docomo.ne.jp", .phone = "+491701234567"}, "customer.email"},
           {{.email = "qa@test.com", .external_id = "u-1"}, "customer.email"},
           {{.email = too_long + "@goldenacre.example", .external_id = "u-1"}, "customer.email"},
           {{.email = kBuyer, .external_id = too_long}, "customer.external_id"}}) {
    const Tracked answer = placed(customer);
    EXPECT_THAT(answer.violations, IsEmpty()) << path;
    EXPECT_EQ(answer.records.size(), 3U);
    EXPECT_THAT(rule_at(answer.warnings, path), HasSubstr("it was left out")) << path;
    EXPECT_EQ(answer.mended, 1U);
    const std::string payload = answer.records.empty() ? "" : answer.records[0].payload;
    for (const auto* value : {"0170", "555-0132", "docomo", "test.com", "xxx"}) {
      EXPECT_EQ(payload.find(value), std::string::npos) << value;
    }
  }
}

TEST(AcceptedIdentifiers, NoneThatCanBeUsedIsAViolationAtEachAndShowsNoValue) {
  const Tracked answer = placed({.email = "qa@test.com", .phone = "0170 1234567"});
  EXPECT_THAT(rule_at(answer.violations, "customer.email"), HasSubstr("test.com"));
  EXPECT_THAT(rule_at(answer.violations, "customer.phone"), HasSubstr("E.164"));
  EXPECT_THAT(rule_at(answer.violations, "customer.phone"), Not(HasSubstr("0170")));
  EXPECT_THAT(answer.warnings, IsEmpty());
  EXPECT_THAT(answer.records, IsEmpty());
}

TEST(AcceptedIdentifiers, ACartsTimerAndItsOrderMeetHoweverTheAddressWasTyped) {
  const auto ends = [](const char* email) {
    Profile profile{.email = email};
    klaviyo::normalize(profile);
    return klaviyo::ends_of("", profile);
  };
  EXPECT_EQ(ends("Kunde@M\u00fcller.example"), ends("kunde@xn--mller-kva.example\u200b"));
}

TEST(AcceptedText, HalfASurrogatePairBecomesAReplacementCharacterWithAWarning) {
  auto paid = order();
  paid.items[0].name = "Tea \xed\xa0\xbc";
  paid.items[1].name = "\xed\xbd\xb5\xed\xa0\xbc";
  paid.customer.first_name = "An\xffna";
  paid.properties = {{"note", std::string("cut \xf0\x9f\x8d")},
                     {"paired", "\xed\xa0\xbc\xed\xbd\xb5"}};
  const Tracked answer(klaviyo::order_placed(paid));
  ASSERT_THAT(answer.violations, IsEmpty());
  const Json properties = attributes_of(answer.records[0])["properties"];
  EXPECT_EQ(properties["Items"][0]["ProductName"], "Tea \ufffd");
  EXPECT_EQ(properties["ItemNames"][1], "\ufffd\ufffd");
  EXPECT_EQ(properties["note"], "cut \ufffd");
  EXPECT_EQ(properties["paired"], "\U0001f375");
  EXPECT_EQ(answer.profile()["first_name"], "An\ufffdna");
  for (const char* path : {"items[0].name", "items[1].name", "customer.first_name",
                           "properties[0].value", "properties[1].value"}) {
    EXPECT_THAT(rule_at(answer.warnings, path), HasSubstr("U+FFFD")) << path;
  }
}

TEST(AcceptedText, WhatIsTooLongIsCutBetweenCharactersWithAWarning) {
  auto paid = order();
  paid.items[0].name.clear();
  for (int i = 0; i < 50'000; ++i) paid.items[0].name += "\u00e9";
  const Tracked answer(klaviyo::order_placed(paid));
  ASSERT_THAT(answer.violations, IsEmpty());
  EXPECT_THAT(rule_at(answer.warnings, "items[0].name"), HasSubstr("cut off"));
  const std::string name = attributes_of(answer.records[0])["properties"]["ItemNames"][0];
  EXPECT_EQ(name.size(), 99'998U);
  EXPECT_TRUE(postbox::is_utf8(name));
}

TEST(AcceptedCurrency, IsTakenInAnyCaseWithBlanksAndFromHistory) {
  struct Code {
    const char* given;
    const char* wanted;
    int digits;
  };
  for (const auto& [given, wanted, digits] : std::vector<Code>{{"eur", "EUR", 2},
                                                               {" Jpy\n", "JPY", 0},
                                                               {"\u00a0kwd\u3000", "KWD", 3},
                                                               {"HRK", "HRK", 2},
                                                               {"ltl", "LTL", 2},
                                                               {"EEK", "EEK", 2},
                                                               {"DEM", "DEM", 2},
                                                               {"ITL", "ITL", 0},
                                                               {"ESP", "ESP", 0},
                                                               {"BYR", "BYR", 0}}) {
    const klaviyo::Currency currency{std::string_view(given)};
    EXPECT_TRUE(currency.is_known()) << given;
    EXPECT_EQ(currency.code(), wanted);
    EXPECT_EQ(currency.exponent(), digits) << given;
  }
}

TEST(AcceptedPhone, IsForgottenByEverySpellingAndHasOneShareOfAFlag) {
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.default_country = "DE";
  config.set(klaviyo::kPurchase, postbox::Flag::parse("50%").value());
  auto tracker = klaviyo::start(
      config, {.http = std::make_shared<postbox::testing::ScriptedHttpClient>(), .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  std::size_t accepted = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string number = std::to_string(1'000'000 + i);
    auto paid = order();
    paid.customer = {.phone = "0170 " + number};
    const auto first = tracker->track(klaviyo::order_placed(paid)).status();
    paid.customer = {.phone = "+49170" + number};
    EXPECT_EQ(tracker->track(klaviyo::order_placed(paid)).status(), first) << number;
    if (first != postbox::TrackStatus::kAccepted) continue;
    ++accepted;
    tracker->run_once();
    EXPECT_EQ(klaviyo::forget(*tracker, {.phone = "(0170) " + number}).value(), 3U) << number;
  }
  EXPECT_GT(accepted, 5U);
  EXPECT_LT(accepted, 35U);
}

TEST(AcceptedEvent, WhatWasChangedIsALineOfTheLogWithoutTheValue) {
  std::vector<std::string> lines;
  klaviyo::Config config;
  config.api_key = "pk_0123456789abcdef";
  config.engine.outbox.url = "memory:";
  config.engine.log = [&](postbox::LogLevel, std::string_view line) { lines.emplace_back(line); };
  config.set(klaviyo::kPurchase, postbox::Flag::on());
  auto tracker = klaviyo::start(
      config, {.http = std::make_shared<postbox::testing::ScriptedHttpClient>(), .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  auto paid = order();
  paid.customer.phone = "0170 7654321";
  paid.items[1].name = "Tea \xed\xa0\xbc";
  EXPECT_EQ(tracker->track(klaviyo::order_placed(paid)).status(), postbox::TrackStatus::kAccepted);
  tracker->run_once();
  EXPECT_THAT(lines, testing::Contains(HasSubstr("Placed Order: customer.phone: must have")));
  EXPECT_THAT(lines,
              testing::Contains(HasSubstr("Placed Order: items[].name: is not valid UTF-8")));
  for (const auto& line : lines) EXPECT_THAT(line, Not(HasSubstr("7654321")));
}

}  // namespace

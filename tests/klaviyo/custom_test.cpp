// Events of the shop's own: typed ones in a family of their own, and one-offs without a type.
#include <gtest/gtest.h>

#include <fstream>
#include <postbox/testing/expect_tracked.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <set>

#include "support/klaviyo_test_data.hpp"
#include "support/temporary_folder.hpp"

// A whole event type. docs/custom-events.md shows it.
inline constexpr postbox::Family kLoyalty = klaviyo::own_family<8, "loyalty">;

struct PointsEarned : klaviyo::EventBasics {
  static constexpr std::string_view kMetric = "Points Earned";
  static constexpr const postbox::Family& kFamily = kLoyalty;
  std::string program;
  std::int64_t points = 0;
};

template <>
struct postbox::Schema<PointsEarned> {
  using P = PointsEarned;
  static constexpr auto fields = std::make_tuple(
      field("Program", "program", &P::program, {.required = true}, "The program's name."),
      field("Points", "points", &P::points, {.minimum = 1}, "How many."));
};

namespace {

using klaviyo::custom_event;
using klaviyo::Property;
using klaviyo::PropertyObject;
using klaviyo_test::attributes_of;
using klaviyo_test::customer;
using klaviyo_test::records_of;
using klaviyo_test::rule_at;
using klaviyo_test::violations_of;

PointsEarned points_earned() {
  PointsEarned event;
  event.customer = customer();
  event.program = "Gold";
  event.points = 40;
  event.occurred_at = klaviyo_test::now();
  return event;
}

TEST(Extra, IsTheOneReservedNameThatAnEventMayHave) {
  using Object = klaviyo::PropertyObject;
  const klaviyo::Property extra{"$extra", Object{{"html", std::string("<b>Thé</b>")}}};
  const auto event = klaviyo::custom_event("Quote", klaviyo_test::customer(), {extra});
  EXPECT_TRUE(klaviyo_test::violations_of(event).empty());
  EXPECT_EQ(klaviyo_test::attributes_of(klaviyo_test::records_of(event).at(0))["properties"],
            klaviyo_test::parse(R"({"$extra": {"html": "<b>Thé</b>"}})"));

  const auto deeper = klaviyo::custom_event("Quote", klaviyo_test::customer(),
                                            {{"Box", Object{extra}}, {"$event_id", true}});
  EXPECT_EQ(klaviyo_test::violations_of(deeper).size(), 2U);
  auto profile = klaviyo_test::customer();
  profile.properties = {extra};
  EXPECT_EQ(klaviyo_test::violations_of(klaviyo::identify(profile)).size(), 1U);
}

TEST(OwnEvent, IsWrittenFromItsTable) {
  PointsEarned event = points_earned();
  event.value = {1'250, "EUR"};
  event.unique_id = "p-1";
  event.properties = {{"Campaign", std::string("May")}};
  const auto records = records_of(klaviyo::event(event));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].queue, postbox::QueueId{8});
  const auto body = attributes_of(records[0]);
  EXPECT_EQ(body["metric"]["data"]["attributes"]["name"], "Points Earned");
  EXPECT_EQ(body["unique_id"], "p-1");
  EXPECT_EQ(body["value"], 12.5);
  EXPECT_EQ(body["properties"],
            klaviyo_test::parse(R"({"Program": "Gold", "Points": 40, "Campaign": "May"})"));
}

TEST(OwnEvent, IsCheckedByItsTableAndTheSameLimits) {
  PointsEarned event = points_earned();
  event.program.clear();
  event.points = 0;
  event.value = klaviyo::Money{1, "?"};
  event.customer = {};
  event.properties = {{"Points", std::int64_t{1}}};
  const auto violations = violations_of(klaviyo::event(event));
  EXPECT_EQ(rule_at(violations, "program"), "is required");
  EXPECT_EQ(rule_at(violations, "points"), "must be at least 1, found 0");
  EXPECT_NE(rule_at(violations, "value.currency"), "");
  EXPECT_NE(rule_at(violations, "customer"), "");
  EXPECT_EQ(rule_at(violations, "properties[0].name"),
            "must not be \"Points\", which the event's own field has");
}

TEST(OwnEvent, ItsDefaultKeyIsWhatItSaysAndWhen) {
  const auto key = [](const PointsEarned& event) {
    return attributes_of(records_of(klaviyo::event(event)).at(0))["unique_id"].get<std::string>();
  };
  const PointsEarned event = points_earned();
  PointsEarned other = event;
  other.points = 41;
  PointsEarned later = event;
  later.occurred_at = klaviyo_test::now() + std::chrono::seconds(1);
  EXPECT_EQ(key(event), key(event));
  EXPECT_NE(key(event), key(other));
  EXPECT_NE(key(event), key(later));
}

TEST(CustomEvent, ItsDefaultKeyIsAlsoWhatItIsWorth) {
  const auto key = [](std::optional<klaviyo::Money> value) {
    klaviyo::CustomEvent donation;
    donation.name = "Donation";
    donation.customer = customer();
    donation.value = value;
    donation.occurred_at = klaviyo_test::now();
    donation.properties = {{"Fund", "Trees"}};
    return attributes_of(records_of(custom_event(donation)).at(0))["unique_id"].get<std::string>();
  };
  using klaviyo::Money;
  EXPECT_EQ(key(Money{500, "EUR"}), key(Money{500, "EUR"}));
  const std::set<std::string> different = {key({}),
                                           key(Money{0, "EUR"}),
                                           key(Money{500, "EUR"}),
                                           key(Money{90'000, "EUR"}),
                                           key(Money{-500, "EUR"}),
                                           key(Money{500, "USD"}),
                                           key(Money{500, "JPY"})};
  EXPECT_EQ(different.size(), 7U);
  // One without a value keeps the key that it has always had.
  EXPECT_EQ(key({}), "a6e2fb5b717ec9d9_1795341600");
}

// Tables that event() does not take.
struct Line {
  std::int64_t count = 0;
};
struct Named : klaviyo::EventBasics {
  std::string text;
  std::optional<Line> line;
  std::vector<Line> lines;
};
template <int Case>
struct Faulty : Named {};

}  // namespace

template <>
struct postbox::Schema<Line> {
  static constexpr auto fields = std::make_tuple(field("Count", "count", &Line::count),
                                                 field("Count", "count_again", &Line::count));
};
template <>
struct postbox::Schema<Named> {
  static constexpr auto fields =
      std::make_tuple(field("Text", "text", &Named::text), field("Te$t 茶", "text", &Named::text));
};
template <>
struct postbox::Schema<Faulty<0>> {
  static constexpr auto fields = std::make_tuple(field("", "text", &Named::text));
};
template <>
struct postbox::Schema<Faulty<1>> {
  static constexpr auto fields = std::make_tuple(field("Text", "", &Named::text));
};
template <>
struct postbox::Schema<Faulty<2>> {
  static constexpr auto fields = std::make_tuple(field("$value", "text", &Named::text));
};
template <>
struct postbox::Schema<Faulty<3>> {
  static constexpr auto fields = std::make_tuple(field("A \"quote\"", "text", &Named::text));
};
template <>
struct postbox::Schema<Faulty<4>> {
  static constexpr auto fields =
      std::make_tuple(field("Text", "text", &Named::text), field("Line", "line", &Named::text),
                      field("Text", "other", &Named::text));
};
template <>
struct postbox::Schema<Faulty<5>> {
  static constexpr auto fields = std::make_tuple(field("Line", "line", &Named::line));
};
template <>
struct postbox::Schema<Faulty<6>> {
  static constexpr auto fields = std::make_tuple(field("Lines", "lines", &Named::lines));
};

namespace {

using klaviyo::table_fault;
using klaviyo::TableFault;
static_assert(table_fault<PointsEarned>() == TableFault::kNone);
static_assert(table_fault<klaviyo::CustomEvent>() == TableFault::kNone);
static_assert(table_fault<Named>() == TableFault::kNone);
static_assert(table_fault<Faulty<0>>() == TableFault::kNoName);
static_assert(table_fault<Faulty<1>>() == TableFault::kNoName);
static_assert(table_fault<Faulty<2>>() == TableFault::kReserved);
static_assert(table_fault<Faulty<3>>() == TableFault::kUnescaped);
static_assert(table_fault<Faulty<4>>() == TableFault::kRepeated);
static_assert(table_fault<Faulty<5>>() == TableFault::kRepeated, "of an object in it");
static_assert(table_fault<Faulty<6>>() == TableFault::kRepeated, "of a list of objects in it");

// The shop's settings are a file, as in production.
class OwnFamily : public ::testing::Test {
 protected:
  void write(const std::string& flag) {
    std::ofstream(folder.file("env")) << "KLAVIYO_API_KEY=pk_0123456789abcdef\n"
                                      << "KLAVIYO_LOYALTY_EVENTS_ENABLED=" << flag << "\n"
                                      << "POSTBOX_OUTBOX=memory:\n";
  }

  postbox::tests::TemporaryFolder folder;
  std::shared_ptr<postbox::testing::ScriptedHttpClient> http =
      std::make_shared<postbox::testing::ScriptedHttpClient>();
  std::vector<std::string> lines;
};

TEST_F(OwnFamily, HasItsFlagItsLogLineAndItsBackfills) {
  write("true");
  const std::string file = folder.file("env");
  auto config = klaviyo::Config::from_env(file, {kLoyalty});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->flag(kLoyalty).is_on());
  config->engine.log = [this](postbox::LogLevel, std::string_view line) {
    lines.emplace_back(line);
  };
  const auto clock = std::make_shared<postbox::testing::ManualClock>(klaviyo_test::now());
  auto tracker = klaviyo::start(*config, {.http = http, .clock = clock, .threads = false});
  ASSERT_TRUE(tracker) << tracker.error().message;
  EXPECT_TRUE(tracker->track(klaviyo::event(points_earned())));
  PointsEarned old = points_earned();
  old.occurred_at = klaviyo_test::now() - std::chrono::days(9);
  EXPECT_TRUE(tracker->track(klaviyo::backfill(klaviyo::event(old))));
  ASSERT_TRUE(tracker->flush(std::chrono::seconds(10)));
  EXPECT_TRUE(postbox::testing::expect_tracked<PointsEarned>(*http, 2));
  EXPECT_NE(std::ranges::find(lines, "Klaviyo points earned event sent successfully"), lines.end());

  write("false");
  ASSERT_TRUE(tracker->reload());
  EXPECT_NE(std::ranges::find(lines,
                              "Klaviyo configuration changed: "
                              "KLAVIYO_LOYALTY_EVENTS_ENABLED true -> false"),
            lines.end());
  EXPECT_EQ(tracker->track(klaviyo::event(points_earned())).status(),
            postbox::TrackStatus::kDisabled);
  EXPECT_TRUE(tracker->stats().conserved());
}

TEST_F(OwnFamily, MustDifferFromTheOthers) {
  klaviyo::Config config;
  config.own_families = {kLoyalty};
  EXPECT_TRUE(config.validate());
  config.own_families = {kLoyalty, klaviyo::own_family<8, "club">};
  EXPECT_EQ(
      config.validate().error().message,
      "own_families: 'club' has the name, the queue or the flag of 'loyalty'; expected others");
  config.own_families = {klaviyo::own_family<9, "cart">};
  EXPECT_FALSE(config.validate());
  config.own_families = {klaviyo::kCart};
  EXPECT_EQ(config.validate().error().message,
            "own_families: 'cart' has the queue 3; expected 8 to 15");
}

TEST(CustomEvent, NeedsNoType) {
  const auto records = records_of(
      custom_event("Quiz Finished", customer(), {{"Score", std::int64_t{7}}}, {}, "quiz-1"));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].queue, klaviyo::kCustom.queue);
  const auto body = attributes_of(records[0]);
  EXPECT_EQ(body["metric"]["data"]["attributes"]["name"], "Quiz Finished");
  EXPECT_EQ(body["unique_id"], "quiz-1");
  EXPECT_EQ(body["properties"]["Score"], 7);
  EXPECT_FALSE(body.contains("value"));
}

TEST(CustomEvent, TakesObjectsAndListsOfThem) {
  const PropertyObject line = {{"SKU", std::string("S-1")}, {"Quantity", std::int64_t{2}}};
  const auto records = records_of(custom_event("Quote Sent", customer(),
                                               {{"First", line},
                                                {"Lines", std::vector<PropertyObject>{line, line}},
                                                {"None", PropertyObject{}}}));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(attributes_of(records[0])["properties"],
            klaviyo_test::parse(R"({"First": {"SKU": "S-1", "Quantity": 2}, "Lines":
                [{"SKU": "S-1", "Quantity": 2}, {"SKU": "S-1", "Quantity": 2}]})"));
}

TEST(CustomEvent, TakesTimesAndNumbersWithAFraction) {
  using klaviyo::Decimal;
  const postbox::WallTime birthday = std::chrono::sys_days(std::chrono::year(1990) / 5 / 17);
  const auto records = records_of(custom_event("Rated", customer(),
                                               {{"Stars", Decimal{.scaled = 45, .digits = 1}},
                                                {"Drift", Decimal{.scaled = -5, .digits = 3}},
                                                {"Whole", Decimal{.scaled = 7}},
                                                {"Birthday", birthday}}));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_NE(records[0].payload.find(R"("Stars":4.5,"Drift":-0.005,"Whole":7,)"
                                    R"("Birthday":"1990-05-17T00:00:00Z")"),
            std::string::npos);
  const auto found = violations_of(custom_event("Rated", customer(), {{"Stars", Decimal{1, 19}}}));
  EXPECT_EQ(rule_at(found, "properties[0].value.digits"), "must be at most 18, found 19");
}

TEST(CustomEvent, NamesInsideObjectsHaveTheSameRules) {
  const auto rule = [](std::string_view path, const PropertyObject& object) {
    return rule_at(violations_of(custom_event("Quote Sent", customer(), {{"O", object}})), path);
  };
  EXPECT_NE(rule("properties[0].value[0].name", {{"$x", true}}).find("reserves"),
            std::string::npos);
  EXPECT_NE(rule("properties[0].value[1].name", {{"x", true}, {"x", true}}).find("repeat"),
            std::string::npos);
}

}  // namespace

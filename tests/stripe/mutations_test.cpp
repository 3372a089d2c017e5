// Bodies with a change somewhere: whatever it is, the money is what it was, or there is none.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "support/rounds.hpp"
#include "support/stripe_bodies.hpp"
#include "support/stripe_events.hpp"

namespace postbox::tests {
namespace {

// One random change somewhere in the body. None of them makes another valid amount or currency, so
// that no money may differ afterwards.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  Json mutate(Json body) {
    std::vector<Json*> nodes;
    collect(body, nodes);
    Json& node = *nodes[random_() % nodes.size()];
    switch (random_() % 9) {
      case 0:
        node = nullptr;
        break;
      case 1:
        node = "text";
        break;
      case 2:
        node = 1.5;
        break;
      case 3:
        node = Json::array();
        break;
      case 4:
        node = Json::object();
        break;
      case 5:
        node = Json{{"nested", Json(node)}};
        break;
      case 6:
        drop(node);
        break;
      case 7:
        shuffle(body);
        break;
      default:
        add(node);
        break;
    }
    return body;
  }

 private:
  static void collect(Json& node, std::vector<Json*>& nodes) {
    nodes.push_back(&node);
    if (!node.is_structured()) return;
    for (Json& child : node) collect(child, nodes);
  }

  void drop(Json& node) {
    if (!node.is_structured() || node.empty()) return;
    auto member = node.begin();
    std::advance(member, static_cast<long>(random_() % node.size()));
    node.erase(member);
  }

  // Every list in another order.
  void shuffle(Json& node) {
    if (!node.is_structured()) return;
    if (node.is_array()) {
      std::shuffle(node.get_ref<Json::array_t&>().begin(), node.get_ref<Json::array_t&>().end(),
                   random_);
    }
    for (Json& child : node) shuffle(child);
  }

  void add(Json& node) {
    if (node.is_object()) node["unknown_" + std::to_string(random_() % 9)] = Json{{"amount", 77}};
    if (node.is_array()) node.push_back(Json{{"id", "unknown"}});
  }

  std::mt19937_64 random_;
};

// What becomes of a body.
struct Result {
  std::optional<Error> error;
  std::size_t violations = 0;
  std::set<std::string> money;  // metric, value and currency of every event that has a value
};

std::string part(const std::string& payload, const std::string& from, const std::string& to) {
  const auto begin = payload.find(from);
  if (begin == std::string::npos) return {};
  return payload.substr(begin, payload.find(to, begin) - begin);
}

Result result_of(const Json& body) {
  Result result;
  const auto mapping = stripe::to_events(body.dump(), {.test_mode = true});
  if (!mapping) {
    result.error = mapping.error();
    return result;
  }
  EXPECT_EQ(mapping->events.empty(), !mapping->ignored.empty());
  for (const stripe::Event& event : mapping->events) {
    EventBatch batch{WallTime(std::chrono::seconds(kStripeStart))};
    std::visit([&](const auto& typed) { typed.encode(batch); }, event);
    EXPECT_NE(batch.records().empty(), batch.violations().empty()) << body;
    result.violations += batch.violations().size();
    for (const EventRecord& record : batch.records()) {
      const auto value = part(record.payload, "\"value\":", ",\"unique_id\"");
      if (value.empty()) continue;
      result.money.insert(part(record.payload, "\"metric\":", "}}}") + value);
    }
  }
  return result;
}

struct Tally {
  std::size_t mapped = 0;
  std::size_t empty = 0;
  std::size_t refused = 0;
};

Tally mutate(const std::vector<Json>& bodies, std::uint64_t times) {
  Tally tally;
  std::vector<Result> originals;
  for (const Json& body : bodies) {
    originals.push_back(result_of(body));
    EXPECT_FALSE(originals.back().error) << originals.back().error->message;
  }
  for (std::uint64_t seed = 1; seed <= times; ++seed) {
    const std::size_t index = seed % bodies.size();
    const Json body = Mutator(seed).mutate(bodies[index]);
    const Result result = result_of(body);
    if (result.error) {
      EXPECT_EQ(result.error->code, ErrorCode::kInvalidArgument) << body;
      EXPECT_FALSE(result.error->message.empty());
    }
    EXPECT_TRUE(std::ranges::includes(originals[index].money, result.money))
        << seed << " " << Json(result.money) << " is not of " << Json(originals[index].money)
        << "\n"
        << body;
    if (::testing::Test::HasFailure()) return tally;
    ++(result.error || result.violations > 0 ? tally.refused
       : result.money.empty()                ? tally.empty
                                             : tally.mapped);
  }
  return tally;
}

TEST(StripeMutations, AChangedBodyOfOurOwnHasItsMoneyOrNoneOrANamedError) {
  const std::uint64_t times = rounds(20'000U);
  const Tally tally = mutate(stripe_every_kind(), times);
  EXPECT_GT(tally.mapped, times / 10);
  EXPECT_GT(tally.empty, times / 10);
  EXPECT_GT(tally.refused, times / 40);
}

TEST(StripeMutations, AChangedBodyOfTheCollectionHasItsMoneyOrNoneOrANamedError) {
  const auto texts = stripe_bodies();
  if (texts.empty()) GTEST_SKIP() << "no bodies in " << stripe_folder();
  std::vector<Json> bodies;
  for (const auto& [name, text] : texts) bodies.push_back(Json::parse(text));
  mutate(bodies, rounds(20'000U));
}

}  // namespace
}  // namespace postbox::tests

#include <gtest/gtest.h>

#include <fstream>
#include <stripe/memory.hpp>

#include "support/temporary_folder.hpp"

namespace postbox::tests {
namespace {

using namespace std::chrono_literals;

const WallTime kNow{1'780'000'000s};

std::string value_of(stripe::Memory& memory, const std::string& key, WallTime now = kNow) {
  const auto found = memory.get(key, now);
  EXPECT_TRUE(found) << found.error().message;
  return found.value_or(std::nullopt).value_or("nothing");
}

std::vector<std::string> ready(stripe::Memory& memory, const std::vector<stripe::Fact>& facts,
                               WallTime now) {
  std::vector<std::string> ids;
  const auto bodies = memory.ready(facts, now);
  EXPECT_TRUE(bodies);
  for (const auto& body : *bodies) ids.push_back(body.event_id);
  return ids;
}

using Names = std::vector<std::string>;

TEST(StripeMemory, AFactLastsUntilItExpiresAlsoOverARestart) {
  const TemporaryFolder folder;
  EXPECT_TRUE(stripe::sqlite_memory(folder.file("m"))->put({{"a", "1"}}, kNow, kNow + 1h));
  const auto memory = stripe::sqlite_memory(folder.file("m"));
  EXPECT_EQ(value_of(*memory, "a", kNow + 1h - 1ms), "1");
  EXPECT_EQ(value_of(*memory, "a", kNow + 1h), "nothing");
}

TEST(StripeMemory, TheNewerFactStaysWhicheverComesLast) {
  const auto memory = stripe::sqlite_memory("");
  EXPECT_TRUE(memory->put({{"a", "new"}}, kNow, kNow + 1h));
  EXPECT_TRUE(memory->put({{"a", "old"}}, kNow - 1s, kNow + 1h));
  EXPECT_EQ(value_of(*memory, "a"), "new");
  EXPECT_TRUE(memory->put({{"a", "newest"}}, kNow + 1s, kNow + 1h));
  EXPECT_EQ(value_of(*memory, "a"), "newest");
}

TEST(StripeMemory, BeyondItsLimitTheFactsThatExpireFirstGiveWay) {
  const auto memory = stripe::sqlite_memory("", {.facts = 10, .waiting = 1});
  for (int i = 0; i < 600; ++i) {
    EXPECT_TRUE(memory->put({{std::to_string(i), "x"}}, kNow, kNow + 1h + i * 1s));
  }
  EXPECT_EQ(value_of(*memory, "100"), "nothing");
  EXPECT_EQ(value_of(*memory, "599"), "x");
}

TEST(StripeMemory, ABodyIsReadyWhenItsFactOrItsTimeComesAndGoneWhenItIsDone) {
  const auto memory = stripe::sqlite_memory("");
  EXPECT_TRUE(memory->wait({"evt_1", "{}", "a", kNow + 60s}));
  EXPECT_TRUE(memory->wait({"evt_2", "{}", "b", kNow + 30s}));
  EXPECT_EQ(memory->next_due().value(), kNow + 30s);
  EXPECT_EQ(ready(*memory, {}, kNow), Names{});
  EXPECT_EQ(ready(*memory, {{"a", "1"}}, kNow), Names{"evt_1"});
  EXPECT_EQ(ready(*memory, {}, kNow + 60s), (Names{"evt_2", "evt_1"}));
  EXPECT_TRUE(memory->done("evt_2"));
  EXPECT_EQ(memory->next_due().value(), kNow + 60s);
}

TEST(StripeMemory, ABodyThatWaitsAgainKeepsItsTime) {
  const auto memory = stripe::sqlite_memory("", {.facts = 10, .waiting = 1});
  EXPECT_TRUE(memory->wait({"evt_1", "{}", "a", kNow + 60s}));
  EXPECT_TRUE(memory->wait({"evt_1", "{}", "b", kNow + 90s}));
  EXPECT_EQ(memory->next_due().value(), kNow + 60s);
  EXPECT_EQ(ready(*memory, {{"b", "1"}}, kNow), Names{"evt_1"});
}

TEST(StripeMemory, OneBodyTooManyIsRefused) {
  const auto memory = stripe::sqlite_memory("", {.facts = 10, .waiting = 1});
  EXPECT_TRUE(memory->wait({"evt_1", "{}", "a", kNow}));
  const auto refused = memory->wait({"evt_2", "{}", "a", kNow});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutboxFull);
}

TEST(StripeMemory, ADamagedFileIsAnErrorAndStaysAsItIs) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  std::ofstream(path) << std::string(4'096, 'x');
  const auto memory = stripe::sqlite_memory(path);
  EXPECT_FALSE(memory->put({{"a", "1"}}, kNow, kNow + 1h));
  EXPECT_FALSE(memory->get("a", kNow));
  EXPECT_EQ(std::filesystem::file_size(path), 4'096U);
}

}  // namespace
}  // namespace postbox::tests

// Several senders on one HttpClient: each gets its own completions, and none of them is lost.
#include "shared_client.hpp"

#include <gtest/gtest.h>

#include <postbox/testing/scripted_http_client.hpp>

namespace postbox {
namespace {

using namespace std::chrono_literals;
using testing::ScriptedHttpClient;

class SharedClientTest : public ::testing::Test {
 protected:
  static TransferId begin(HttpClient& share, const std::string& url) {
    return share.start({.url = url, .headers = {}, .body = {}}).value();
  }

  std::shared_ptr<ScriptedHttpClient> client = std::make_shared<ScriptedHttpClient>();
  SharedClient shared{client};
  std::unique_ptr<HttpClient> first = shared.new_share();
  std::unique_ptr<HttpClient> second = shared.new_share();
};

TEST_F(SharedClientTest, EachShareGetsItsOwnWhoeverAsksTheNetwork) {
  const TransferId a = begin(*first, "https://a.example");
  const TransferId b = begin(*second, "https://b.example");
  const auto of_first = first->poll(0ns);
  ASSERT_EQ(of_first.size(), 1U);
  EXPECT_EQ(of_first[0].id, a);
  const auto of_second = second->poll(0ns);
  ASSERT_EQ(of_second.size(), 1U);
  EXPECT_EQ(of_second[0].id, b);
  EXPECT_TRUE(first->poll(0ns).empty());
}

// Else the sender would sleep while an answer waits for its turn.
TEST_F(SharedClientTest, NobodyWaitsWhileSomethingIsNotTaken) {
  begin(*second, "https://b.example");
  EXPECT_TRUE(first->poll(0ns).empty()) << "it has brought the other's";
  shared.wait(24h);
  EXPECT_EQ(second->poll(24h).size(), 1U);
}

TEST_F(SharedClientTest, WhatOneCancelsIsNotReportedAndTheOthersGoesOn) {
  client->hang(true);
  begin(*first, "https://a.example");
  const TransferId b = begin(*second, "https://b.example");
  first->cancel_all();
  EXPECT_EQ(client->unanswered(), 2U) << "one client cannot end one transfer";
  client->hang(false);
  EXPECT_TRUE(first->poll(0ns).empty());
  const auto of_second = second->poll(0ns);
  ASSERT_EQ(of_second.size(), 1U);
  EXPECT_EQ(of_second[0].id, b);
}

TEST_F(SharedClientTest, TheLastOneThatCancelsEndsTheTransfers) {
  client->hang(true);
  begin(*first, "https://a.example");
  begin(*second, "https://b.example");
  first->cancel_all();
  second->cancel_all();
  EXPECT_EQ(client->unanswered(), 0U);
}

TEST_F(SharedClientTest, AShareThatIsGoneLeavesNothingBehind) {
  begin(*first, "https://a.example");
  EXPECT_TRUE(second->poll(0ns).empty());
  first.reset();
  begin(*second, "https://b.example");
  shared.wait(0ns);
  EXPECT_EQ(second->poll(0ns).size(), 1U);
}

TEST_F(SharedClientTest, AWakeOfAShareEndsTheWait) {
  first->wake();
  shared.wait(24h);  // returns at once
  EXPECT_TRUE(second->poll(0ns).empty());
}

}  // namespace
}  // namespace postbox

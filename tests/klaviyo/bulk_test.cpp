// Bulk requests and their verdicts, judged by klaviyo-sim: the answer's pointer must lead back to
// the events that are wrong.
#include <gtest/gtest.h>

#include <klaviyo/destination.hpp>
#include <klaviyo/klaviyo.hpp>
#include <klaviyo/request.hpp>
#include <string>
#include <vector>

#include "simulator.hpp"
#include "support/klaviyo_sim_requests.hpp"

namespace {

using postbox::EventRecord;
using postbox::HttpResponse;
using postbox::Verdict;
using postbox::VerdictKind;

class KlaviyoBulk : public ::testing::Test {
 protected:
  // Carts of four customers, in turns.
  void SetUp() override {
    for (int i = 0; i < 20; ++i) {
      klaviyo::Cart cart;
      cart.cart_id = "c" + std::to_string(i);
      cart.user_id = "user-" + std::to_string(i % 4);
      cart.currency = "EUR";
      cart.customer.email = "user-" + std::to_string(i % 4) + "@goldenacre.example";
      cart.items.emplace_back();
      cart.items.back().product_id = "P1";
      cart.items.back().name = "Thé vert";
      cart.items.back().quantity = 1;
      cart.items.back().unit_price = {1'250};
      postbox::EventBatch batch{postbox::WallTime(sim::kNow)};
      klaviyo::cart_updated(cart).encode(batch);
      records.push_back(batch.records().at(0));
    }
  }

  void replace(std::size_t event, const std::string& part, const std::string& by) {
    std::string& payload = records.at(event).payload;
    const auto at = payload.find(part);
    ASSERT_NE(at, std::string::npos);
    payload.replace(at, part.size(), by);
  }

  Verdict send() {
    std::vector<const EventRecord*> events;
    for (const EventRecord& record : records) events.push_back(&record);
    const auto request = destination.request(1, events);
    sim::Simulator simulator(
        {.keys = {}, .limits = true, .now = [] { return sim::kNow; }, .wait = {}});
    const auto answer =
        simulator.handle(sim::request_for("POST", "/api/event-bulk-create-jobs", request.body));
    HttpResponse response{.status = answer.status, .headers = {}, .body = answer.body};
    for (const auto& [name, value] : answer.headers) {
      std::string lower = name;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response.headers.emplace_back(lower, value);
    }
    recorded = simulator.stats().events.recorded;
    return destination.verdict(response, events, postbox::WallTime(sim::kNow));
  }

  klaviyo::Destination destination{{"pk_test", "https://a.klaviyo.com", "2026-10-15"}};
  std::vector<EventRecord> records;
  std::size_t recorded = 0;
};

using Places = std::vector<std::size_t>;

TEST_F(KlaviyoBulk, AGoodBatchIsRecordedAndTellsTheLimit) {
  const Verdict verdict = send();
  EXPECT_EQ(verdict.kind, VerdictKind::kDelivered) << verdict.reason;
  EXPECT_EQ(recorded, records.size());
  ASSERT_TRUE(verdict.rate);
  EXPECT_EQ(verdict.rate->limit, 150U);
  EXPECT_EQ(verdict.rate->remaining, 149U);
  EXPECT_EQ(verdict.rate->reset, std::chrono::seconds(60));
}

TEST_F(KlaviyoBulk, ThePointerNamesTheEvent) {
  replace(13, R"("metric")", R"("metrik")");
  const Verdict verdict = send();
  EXPECT_EQ(verdict.kind, VerdictKind::kSplit);
  EXPECT_EQ(verdict.culprits, Places{13}) << verdict.pointer;
}

TEST_F(KlaviyoBulk, SeveralPointersNameSeveral) {
  replace(2, R"("metric")", R"("metrik")");
  replace(3, R"("time")", R"("tme")");
  replace(17, R"("metric")", R"("metrik")");
  EXPECT_EQ(send().culprits, (Places{2, 3, 17}));
}

TEST_F(KlaviyoBulk, ThePointerAtAProfileNamesItsEvents) {
  records.at(6).payload = "damaged";
  EXPECT_EQ(send().culprits, Places{6});
}

TEST_F(KlaviyoBulk, APointerThatLeadsNowhereNamesNobody) {
  std::vector<const EventRecord*> events;
  for (const EventRecord& record : records) events.push_back(&record);
  for (const std::string pointer :
       {"", "/data", "/data/attributes/events-bulk-create/data/4/attributes/profile",
        "/data/attributes/events-bulk-create/data/0",
        "/data/attributes/events-bulk-create/data/0/attributes/events/data/5",
        "/data/attributes/events-bulk-create/data/-1/attributes/events/data/0",
        "/data/attributes/events-bulk-create/data/99999999999999999999/attributes/profile",
        "/data/attributes/events-bulk-create/data/0x/attributes/profile"}) {
    EXPECT_EQ(klaviyo::find_culprits(events, std::vector{pointer}), Places{}) << pointer;
  }
  EXPECT_EQ(klaviyo::find_culprits(
                events,
                std::vector<std::string>{
                    "/data/attributes/events-bulk-create/data/1/attributes/profile/data"}),
            (Places{1, 5, 9, 13, 17}));
}

}  // namespace

// A limit of Klaviyo from both sides: the last that is accepted is also taken by klaviyo-sim, and
// one more is rejected at the path of the caller's own field, with no other violation.
//
// Place:     the table of limits, klaviyo_limits_test.cpp and klaviyo_time_limits_test.cpp.
// Threads:   plain functions.
// Lifetime:  values.
// Failure:   a limit that does not hold is a failure of the test that asks.
#pragma once

#include <gmock/gmock.h>

#include <cctype>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "klaviyo_sim_requests.hpp"
#include "klaviyo_test_data.hpp"
#include "simulator.hpp"

namespace klaviyo_test {

struct Answer {
  std::vector<Violation> violations;
  std::vector<postbox::EventRecord> records;
};

template <class Event>
Answer ask(const Event& event) {
  postbox::EventBatch batch(now());
  event.encode(batch);
  return {batch.violations(), batch.records()};
}

struct Limit {
  std::string name;
  std::function<Answer(std::size_t excess)> offer;  // of what is so much beyond the limit
  std::string path;
  std::string rule;  // a part of it

  friend std::ostream& operator<<(std::ostream& out, const Limit& limit) {
    return out << limit.name;
  }
};

inline void expect_taken(const postbox::EventRecord& record) {
  sim::Simulator simulator(
      {.keys = {}, .limits = false, .now = [] { return sim::kNow; }, .wait = {}});
  const auto klaviyo = destination();
  const postbox::EventRecord* one[] = {&record};
  const auto request = klaviyo.request(klaviyo.route(record.queue).single, one);
  const std::string path = request.url.substr(request.url.find("/api/"));
  const auto answer = simulator.handle(sim::request_for("POST", path.c_str(), request.body));
  EXPECT_EQ(answer.status / 100, 2) << answer.body.substr(0, 1'000);
}

inline void expect_to_hold(const Limit& limit) {
  const Answer last = limit.offer(0);
  EXPECT_THAT(last.violations, testing::IsEmpty());
  EXPECT_FALSE(last.records.empty());
  for (const postbox::EventRecord& record : last.records) expect_taken(record);

  const Answer beyond = limit.offer(1);
  EXPECT_TRUE(beyond.records.empty());
  ASSERT_EQ(beyond.violations.size(), 1U);
  EXPECT_EQ(beyond.violations[0].path, limit.path);
  EXPECT_THAT(beyond.violations[0].rule, testing::HasSubstr(limit.rule));
}

// "e-mail address" as a part of a test's name.
inline std::string name_of(const testing::TestParamInfo<Limit>& info) {
  std::string name = info.param.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

}  // namespace klaviyo_test

// A record as it lies in a spill is read as it was written, and nothing else is taken for one.
#include "spill_record.hpp"

#include <gtest/gtest.h>

#include "support/timed_records.hpp"

namespace postbox::testing {
namespace {

void expect_read_again(const EventRecord& record) {
  const EventRecord read = take(spilled_record(spill_bytes(record)));
  expect_same(read, record);
  ASSERT_EQ(static_cast<bool>(read.timing), static_cast<bool>(record.timing));
  if (!record.timing) return;
  EXPECT_EQ(read.timing->slot, record.timing->slot);
  EXPECT_EQ(read.timing->as_of, record.timing->as_of);
  EXPECT_EQ(read.timing->debounce, record.timing->debounce);
  EXPECT_EQ(read.timing->cancels, record.timing->cancels);
  EXPECT_EQ(read.timing->effects_only, record.timing->effects_only);
  EXPECT_EQ(read.timing->in_order, record.timing->in_order);
  ASSERT_EQ(read.timing->timer.has_value(), record.timing->timer.has_value());
  if (!record.timing->timer) return;
  EXPECT_EQ(read.timing->timer->delay, record.timing->timer->delay);
  EXPECT_EQ(read.timing->timer->cancelled_by, record.timing->timer->cancelled_by);
  expect_same(read.timing->timer->event, record.timing->timer->event);
}

std::vector<EventRecord> one_of_each() {
  EventRecord bytes = event(9, QueueId{0xffff'ffff});
  bytes.payload = std::string("a\0b\0\xff\n'\"", 8);
  EventRecord empty = event(10);
  empty.payload.clear();
  return {event(1),
          bytes,
          empty,
          update(2, 7, 1s),
          quiet_update(3, 7, -5s),
          order(4, user_of(1), 2s),
          alone(slot_of(7), 3s),
          in_order(5, "profile", 3)};
}

TEST(SpillRecord, IsReadAsItWasWritten) {
  for (const EventRecord& record : one_of_each()) expect_read_again(record);
}

TEST(SpillRecord, IsNotReadOfAPartOrOfMore) {
  for (const EventRecord& record : one_of_each()) {
    const std::string whole = spill_bytes(record);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      expect_error(spilled_record(whole.substr(0, size)), ErrorCode::kOutboxCorrupt);
    }
    expect_error(spilled_record(whole + "x"), ErrorCode::kOutboxCorrupt);
  }
}

TEST(SpillRecord, OfANewerVersionIsLeftToIt) {
  std::string bytes = spill_bytes(event(1));
  bytes.front() = 2;
  expect_error(spilled_record(bytes), ErrorCode::kOutboxTooNew, "newer version");
}

// The format is on disks: this is what version 1 wrote.
TEST(SpillRecord, OfTheFirstVersionIsReadByEveryLaterOne) {
  std::string bytes("\1\0", 2);
  bytes += std::string("\3\0\0\0\0\0\0\0", 8);
  bytes += "\1" + std::string(15, '\0');
  bytes += "\1" + std::string(15, '\0');
  bytes += std::string("\11\0\0\0\0\0\0\0", 8) + "payload 1";
  expect_same(take(spilled_record(bytes)), event(1));
  EXPECT_EQ(spill_bytes(event(1)), bytes);
}

}  // namespace
}  // namespace postbox::testing

// A HistoryRecord is an order or a subscription of a file, as the event of history that it becomes.
#pragma once

#include <chrono>
#include <klaviyo/klaviyo.hpp>
#include <optional>
#include <postbox/event.hpp>
#include <postbox/tracker.hpp>
#include <string>
#include <variant>
#include <vector>

#include "record_source.hpp"

namespace postbox::cli {

struct HistoryRecord {
  std::variant<klaviyo::Order, klaviyo::Subscription> value;

  [[nodiscard]] const Family& family() const noexcept;

  // The events as they would be sent: Placed Order and an Ordered Product for each line, or
  // Subscription Started.
  [[nodiscard]] std::vector<EventRecord> events(const EventContext* context,
                                                const TypeNames& names) const;

  // Gives it to the tracker, durably unless `deadline` is unset.
  [[nodiscard]] TrackResult track(Tracker& tracker,
                                  std::optional<std::chrono::milliseconds> deadline) const;
};

struct HistoryRead {
  std::optional<HistoryRecord> record{};  // unset where a rule is broken
  std::vector<Violation> violations{};    // without values
  std::vector<Violation> warnings{};      // what was mended, and what Klaviyo would leave out
};

// Checks a record by the rules of its event, and by one more: history has a time.
[[nodiscard]] HistoryRead read_history(const SourceRecord& source, const EventContext* context);

// A tracker for what records look up, as EventContext. It keeps and sends nothing.
[[nodiscard]] Result<Tracker> tracker_for_reading(klaviyo::Config config);

}  // namespace postbox::cli

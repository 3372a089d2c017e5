#include <klaviyo_postgres/told_events.hpp>
#include <klaviyo_postgres/told_table.hpp>
#include <optional>
#include <postbox/postgres_backend.hpp>
#include <string>
#include <utility>

#include "base/logger.hpp"
#include "base/worker.hpp"
#include "postgres/uri.hpp"

namespace klaviyo {
namespace {

using postbox::LogLevel;
using postbox::SteadyTime;

// The longest wait of an outbox for another server's events, too.
constexpr std::chrono::seconds kInterval{5};

}  // namespace

struct ToldEvents::Impl {
  Impl(postbox::Tracker& t, const std::string& uri, postbox::LogSink sink)
      : tracker(t), table(uri, clock), logger(std::move(sink), LogLevel::kInfo, clock) {}

  // Looks until nothing is left. Returns when to look again.
  std::optional<SteadyTime> run_once(bool is_stopping) noexcept;
  [[nodiscard]] bool is_ready();
  [[nodiscard]] ToldDraft draft(const ToldEvent& told);
  void tell(const ToldTable::Look& look);

  postbox::Tracker& tracker;
  std::shared_ptr<postbox::Clock> clock = postbox::system_clock();
  ToldTable table;
  postbox::Logger logger;
  bool has_said_that_rows_wait = false;
  postbox::Worker worker;  // the last: its thread uses all of the others
};

std::optional<SteadyTime> ToldEvents::Impl::run_once(bool is_stopping) noexcept try {
  if (is_stopping) {
    logger.report_repeats(/*all=*/true);
    return std::nullopt;
  }
  logger.report_repeats(/*all=*/false);
  if (!is_ready()) return clock->now() + kInterval;
  const auto look = table.take_in([this](const ToldEvent& told) { return draft(told); });
  if (!look) {
    logger.log_kind(LogLevel::kWarn, "away",
                    "postbox_told cannot be read: " + look.error().message);
    return clock->now() + kInterval;
  }
  tell(*look);
  if (look->taken_in > 0) tracker.look();
  return clock->now() + (look->has_more ? std::chrono::seconds(0) : kInterval);
} catch (const std::exception&) {  // out of memory
  return clock->now() + kInterval;
}

// Without a key the tracker would turn away what was told, for good.
bool ToldEvents::Impl::is_ready() {
  const bool is_waiting = !tracker.is_ready();
  if (is_waiting && !has_said_that_rows_wait) {
    logger.log(LogLevel::kWarn,
               "told events wait in postbox_told until KLAVIYO_API_KEY is set, or another server "
               "that has a key takes them in");
  }
  has_said_that_rows_wait = is_waiting;
  return !is_waiting;
}

// A key may be removed at any moment.
ToldDraft ToldEvents::Impl::draft(const ToldEvent& told) {
  ToldDraft made = draft_told(tracker, told);
  const bool is_disabled = made.draft.result.status() == postbox::TrackStatus::kDisabled;
  if (!is_disabled || tracker.is_ready()) return made;
  return {.draft = postbox::EventDraft{postbox::TrackResult(postbox::TrackStatus::kClosed)}};
}

void ToldEvents::Impl::tell(const ToldTable::Look& look) {
  for (const ToldTable::Refusal& each : look.refused) {
    logger.log_kind(LogLevel::kError, "refused",
                    "told event refused: row " + std::to_string(each.id) + " of postbox_told, " +
                        (each.event.empty() ? "of no known event" : each.event) + ": " +
                        each.problem);
  }
  // If that fails the next look says them once more, which is better than never.
  if (!look.refused.empty()) (void)table.note(look.refused);
  if (look.expired > 0) {
    logger.log(LogLevel::kWarn, "told events removed: " + std::to_string(look.expired) +
                                    " that were refused 30 days ago");
  }
}

postbox::Result<ToldEvents> ToldEvents::start(postbox::Tracker& tracker, std::string_view url,
                                              postbox::LogSink log) try {
  const auto uri = postbox::postgres::uri_of(url, postbox::postgres_backend());
  if (!uri) return uri.error().with_context("ToldEvents");
  auto impl = std::make_unique<Impl>(tracker, *uri, std::move(log));
  Impl* const job = impl.get();
  impl->worker.start({.run_once = [job](bool is_stopping) { return job->run_once(is_stopping); }});
  return ToldEvents(std::move(impl));
} catch (const std::exception& error) {  // no thread, no memory
  return postbox::Error{postbox::ErrorCode::kInternal, error.what()};
}

ToldEvents::ToldEvents(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ToldEvents::ToldEvents(ToldEvents&&) noexcept = default;
ToldEvents& ToldEvents::operator=(ToldEvents&&) noexcept = default;
ToldEvents::~ToldEvents() = default;

void ToldEvents::look() noexcept { impl_->worker.wake(); }

}  // namespace klaviyo

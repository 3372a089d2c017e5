#include "importer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <ostream>
#include <utility>

#include "output.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;

// Records of one commit: what a kill may have taken into the outbox without a note of it, and is
// taken once more.
constexpr std::uint64_t kOfOneCommit = 500;

// Events of history that may wait. Enough for bulk requests, and little beside what the shop's own
// may take of the disk.
constexpr std::uint64_t kMostWaiting = 20'000;

// A file whose first records are all refused, so many, is the wrong one.
constexpr std::uint64_t kAllWrong = 100;

constexpr milliseconds kLittle{50};
constexpr milliseconds kDurable{30'000};

constexpr std::array kHistory{klaviyo::backfill_queue(klaviyo::kPurchase.queue),
                              klaviyo::backfill_queue(klaviyo::kSubscription.queue)};

std::string reason_of(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    if (!text.empty()) text += "; ";
    text += violation.path + ' ' + violation.rule;
  }
  return text;
}

void add(const SourceRecord& record, ImportState& state) {
  for (const std::string& row : record.rows) state.add(row);
  ++state.records;
}

}  // namespace

Importer::Importer(ImportFile file, const klaviyo::Config& config, Tracker& tracker,
                   Operator& outbox, ImportState state, RefusedFile refused,
                   ImportProgress& progress, Console& console)
    : file_(std::move(file)),
      config_(config),
      tracker_(tracker),
      outbox_(outbox),
      state_(state),
      committed_(state),
      refused_(std::move(refused)),
      progress_(progress),
      console_(console),
      before_(state_.records) {}

ImportProgress::Place Importer::place() const {
  return {.bytes_read = source_ ? source_->bytes_read() : 0,
          .records = state_.records,
          .refused = state_.refused,
          .waiting = waiting_};
}

Importer::Step Importer::end(ImportEnd::By by, std::string why) {
  end_ = {.by = by, .why = std::move(why)};
  return Step::kEnd;
}

Result<ImportEnd> Importer::run() {
  std::ifstream in(file_.name, std::ios::binary);
  auto source = open_source(in, file_.type, file_.csv);
  if (!source) return source.error();
  source_ = *std::move(source);
  if (auto ok = look(); !ok) return ok.error();
  dead_before_ = dead_;
  if (auto ok = skip_what_is_done(); !ok) return ok.error();
  progress_.begin("importing", place());
  SourceRecord record;
  for (;;) {
    const auto read = source_->next(record);
    if (!read) return read.error();
    if (!*read) break;
    const auto step = take(record);
    if (!step) return step.error();
    if (*step == Step::kEnd) return end_;
  }
  auto step = commit();
  if (step && *step == Step::kGoOn) step = let_drain(0);
  if (!step) return step.error();
  return end_;
}

// Reads again what is in the outbox already: it must be what it was.
Result<void> Importer::skip_what_is_done() {
  ImportState read;
  read.add(source_->form());
  progress_.begin("going on behind", place());
  SourceRecord record;
  while (read.records < before_) {
    const auto next = source_->next(record);
    if (!next) return next.error();
    if (!*next) break;
    add(record, read);
    progress_.show(place());
  }
  if (before_ == 0) state_.digest = read.digest;
  if (read.records == before_ && read.digest == state_.digest) return {};
  return Error{ErrorCode::kInvalidArgument,
               "the first " + std::to_string(before_) +
                   " records are not those that were imported, or an option is another: nothing "
                   "was done. --restart imports all of it again, and Klaviyo counts each once"};
}

Result<Importer::Step> Importer::take(const SourceRecord& source) {
  HistoryRead read = read_history(source, tracker_.context());
  if (read.record) {
    const auto step = track_newest(/*durably=*/false);
    if (!step || *step == Step::kEnd) return step;
    newest_ = Newest{source, *std::move(read.record)};
  } else {
    if (auto ok = refuse(source, reason_of(read.violations)); !ok) return ok.error();
  }
  add(source, state_);
  ++since_commit_;
  if (state_.records == kAllWrong && state_.refused == kAllWrong) {
    return Error{ErrorCode::kInvalidArgument,
                 "the first " + std::to_string(kAllWrong) + " records are all refused, see '" +
                     refused_.name() + "': is it the right file, and the right --map?"};
  }
  if (since_commit_ < kOfOneCommit) return Step::kGoOn;
  const auto step = commit();
  if (!step || *step == Step::kEnd) return step;
  return let_drain(kMostWaiting);
}

Result<void> Importer::refuse(const SourceRecord& source, const std::string& reason) {
  std::string lines = refused_.size() == 0 ? source_->rejected_heading() : std::string();
  lines += source_->rejected_lines(source, printable(reason));
  ++state_.refused;
  return refused_.write(lines);
}

Result<Importer::Step> Importer::track_newest(bool durably) {
  if (!newest_) return Step::kGoOn;
  for (;;) {
    const TrackResult result = newest_->record.track(
        tracker_, durably ? std::optional<milliseconds>(kDurable) : std::nullopt);
    switch (result.status()) {
      case TrackStatus::kAccepted:
        undurable_ = durably ? std::nullopt : std::optional(std::move(newest_->record));
        newest_.reset();
        return Step::kGoOn;
      case TrackStatus::kDisabled:
        return leave_out();
      case TrackStatus::kRejected:
        return refuse_newest(reason_of(result.violations()));
      case TrackStatus::kFull:
      case TrackStatus::kNotDurable:  // in memory: once more is the same event
        progress_.show(place());
        if (!wait(console_, kLittle)) return end(ImportEnd::By::kSignal);
        continue;
      case TrackStatus::kClosed:
        break;
    }
    return end(ImportEnd::By::kNotTaken, "the tracker is closed");
  }
}

Result<Importer::Step> Importer::refuse_newest(const std::string& reason) {
  if (auto ok = refuse(newest_->source, reason); !ok) return ok.error();
  newest_.reset();
  return Step::kGoOn;
}

// A family that is off takes nothing, and a part of the customers is no reason to stop.
Result<Importer::Step> Importer::leave_out() {
  const Family& family = newest_->record.family();
  const std::string variable = config_.variable_prefix + std::string(family.variable);
  const Flag flag = config_.flag(family);
  if (flag.is_off()) {
    return end(ImportEnd::By::kNotTaken,
               variable +
                   " is off, and nothing of the family would be kept: switch it on, and "
                   "run the same command again");
  }
  return refuse_newest(flag.is_on()
                           ? "KLAVIYO_DISABLED_METRICS has the event"
                           : variable + "=" + flag.to_string() + " does not include this customer");
}

// Events reach the disk in their order: when the last one that was accepted is there, all are.
// Where the newest record was left out, that is the one before it, which is tracked once more: the
// same event, which counts once.
Result<Importer::Step> Importer::commit() {
  auto step = track_newest(/*durably=*/true);
  if (step && *step == Step::kGoOn && undurable_) {
    newest_ = Newest{.source = {}, .record = *std::exchange(undurable_, std::nullopt)};
    step = track_newest(/*durably=*/true);
  }
  if (!step || *step == Step::kEnd) return step;
  if (auto ok = refused_.sync(); !ok) return ok.error();
  state_.refused_bytes = refused_.size();
  if (auto ok = keep_state(tracker_, file_.name, state_); !ok) return ok.error();
  committed_ = state_;
  since_commit_ = 0;
  return Step::kGoOn;
}

// Waits while more than `most` events of history are in the outbox.
Result<Importer::Step> Importer::let_drain(std::uint64_t most) {
  for (;;) {
    if (auto ok = look(); !ok) return ok.error();
    progress_.show(place());
    const bool is_to_wait = waiting_ > most;
    if (!wait(console_, is_to_wait ? kLittle : milliseconds(0))) {
      return end(ImportEnd::By::kSignal);
    }
    if (!is_to_wait) return Step::kGoOn;
  }
}

Result<void> Importer::look() {
  const auto stats = outbox_.status();
  if (!stats) return stats.error();
  waiting_ = held_ = dead_ = 0;
  for (const QueueStats& queue : stats->queues) {
    if (std::ranges::find(kHistory, queue.queue) == kHistory.end()) continue;
    waiting_ += queue.ready + queue.leased + queue.delayed;
    held_ += queue.held;
    dead_ += queue.dead;
  }
  return {};
}

}  // namespace postbox::cli

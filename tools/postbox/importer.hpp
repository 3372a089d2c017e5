// Importer takes the records of a file into the outbox as history, no faster than they leave it.
#pragma once

#include <cstdint>
#include <klaviyo/config.hpp>
#include <memory>
#include <optional>
#include <postbox/operator.hpp>
#include <postbox/tracker.hpp>
#include <string>

#include "command.hpp"
#include "history_record.hpp"
#include "import_progress.hpp"
#include "import_state.hpp"
#include "record_source.hpp"

namespace postbox::cli {

struct ImportFile {
  std::string name;       // absolute
  std::string type{};     // of every record; empty: each tells its own
  std::string refused{};  // the file of those that are refused
  CsvOptions csv{};
};

// The end of an import.
struct ImportEnd {
  enum class By : std::uint8_t {
    kAllLeft,   // all is in the outbox, and has left it
    kSignal,    // the same command goes on from there
    kNotTaken,  // `why`: nothing behind it was read
  };
  By by = By::kAllLeft;
  std::string why{};
};

class Importer {
 public:
  // All must outlive it. `state` is where the file's import stands.
  Importer(ImportFile file, const klaviyo::Config& config, Tracker& tracker, Operator& outbox,
           ImportState state, RefusedFile refused, ImportProgress& progress, Console& console);

  // Fails where the file, the outbox or the file of the refused cannot be read or written; what was
  // done until then is kept.
  [[nodiscard]] Result<ImportEnd> run();

  // As of the last commit: a run that goes on does so behind it.
  [[nodiscard]] const ImportState& state() const noexcept { return committed_; }
  [[nodiscard]] std::uint64_t records_now() const noexcept { return committed_.records - before_; }
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::uint64_t held() const noexcept { return held_; }
  [[nodiscard]] std::uint64_t dead() const noexcept { return dead_ - dead_before_; }

 private:
  enum class Step : std::uint8_t { kGoOn, kEnd };

  [[nodiscard]] Result<void> skip_what_is_done();
  [[nodiscard]] Result<Step> take(const SourceRecord& source);
  [[nodiscard]] Result<Step> track_newest(bool durably);
  [[nodiscard]] Result<Step> refuse_newest(const std::string& reason);
  [[nodiscard]] Result<Step> leave_out();
  [[nodiscard]] Result<void> refuse(const SourceRecord& source, const std::string& reason);
  [[nodiscard]] Result<Step> commit();
  [[nodiscard]] Result<Step> let_drain(std::uint64_t most);
  [[nodiscard]] Result<void> look();
  [[nodiscard]] Step end(ImportEnd::By by, std::string why = {});
  [[nodiscard]] ImportProgress::Place place() const;

  const ImportFile file_;
  const klaviyo::Config& config_;
  Tracker& tracker_;
  Operator& outbox_;
  ImportState state_;  // with what was read since the last commit
  ImportState committed_;
  RefusedFile refused_;
  ImportProgress& progress_;
  Console& console_;

  const std::uint64_t before_;
  std::unique_ptr<RecordSource> source_;
  std::uint64_t since_commit_ = 0;

  // The newest record: it is given to the tracker when the next one is there, durably when there is
  // none, so that each commit is one.
  struct Newest {
    SourceRecord source;
    HistoryRecord record;
  };
  std::optional<Newest> newest_;

  // The last record that the tracker has accepted, while it may be in memory alone, and those
  // before it with it.
  std::optional<HistoryRecord> undurable_;

  // Events of history in the outbox, as of the last look.
  std::uint64_t waiting_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t dead_ = 0;
  std::uint64_t dead_before_ = 0;

  ImportEnd end_{};
};

}  // namespace postbox::cli

// An outbox's file that is damaged, removed or replaced while it is in use: the verbs to do so.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "raw_file.hpp"
#include "timed_records.hpp"

namespace postbox::testing {

using tests::contents;
using tests::overwrite;
using tests::RawConnection;

inline constexpr std::size_t kPage = 4'096;
inline constexpr ClaimLimits kEverything{.max_events = 10'000, .max_bytes = mebibytes(64)};

class SqliteSalvage : public ::testing::Test, protected OutboxFixture {
 protected:
  void SetUp() override { use(another()); }
  void TearDown() override { expect_conservation(); }

  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "outbox.db"; }
  [[nodiscard]] std::shared_ptr<Outbox> another() {
    OutboxOptions options;
    options.url = "sqlite:" + path().string();
    options.busy_timeout = 20ms;
    return take(open_outbox(options, clock_));
  }

  // Files of the folder whose names contain `part`, without the log's.
  [[nodiscard]] std::vector<std::filesystem::path> files_with(const std::string& part) const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.find(part) == std::string::npos) continue;
      if (name.ends_with("-wal") || name.ends_with("-shm")) continue;
      found.push_back(entry.path());
    }
    return found;
  }

  [[nodiscard]] static std::vector<EventRecord> large_events(std::uint32_t first,
                                                             std::uint32_t count) {
    std::vector<EventRecord> batch = events(first, count);
    for (EventRecord& record : batch) record.payload.append(1'000, 'x');
    return batch;
  }

  // Fills the file and spoils the pages for which `is_bad(page)`. Returns the file's bytes.
  template <class IsBad>
  std::string damage(std::uint32_t events, IsBad is_bad) {
    append(large_events(1, events));
    bury(large_events(events + 1, 3));
    use(nullptr);
    std::string bytes = contents(path());
    for (std::size_t page = 1; page < bytes.size() / kPage; ++page) {
      if (is_bad(page)) bytes.replace(page * kPage, kPage, std::string(kPage, '\xff'));
    }
    overwrite(path(), bytes);
    use(another());
    return bytes;
  }

  // Uses the outbox until it has been repaired. Returns what it said last.
  std::string use_until_repaired() {
    std::string said;
    const std::vector<EventRecord> batch = {event(9'999)};
    for (int i = 0; i < 10; ++i) {
      (void)outbox().claim(kQueue, kEverything, kLease);
      clock_->advance(kLease);
      const auto appended = outbox().append(batch);
      if (appended) return said;
      said = appended.error().message;
      if (said.find("salvaged") == std::string::npos) continue;
    }
    ADD_FAILURE() << "not repaired: " << said;
    return said;
  }
};

}  // namespace postbox::testing

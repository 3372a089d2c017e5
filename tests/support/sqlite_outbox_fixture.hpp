// SqliteOutbox gives a test one outbox in a file, on a disk that can fail.
#pragma once

#include <sqlite3.h>

#include <memory>

#include "fault_vfs.hpp"
#include "outbox_fixture.hpp"

namespace postbox::testing {

[[nodiscard]] inline OutboxOptions file_options(const std::filesystem::path& folder) {
  OutboxOptions options;
  options.url = "sqlite:" + (folder / "outbox.db").string();
  options.busy_timeout = 20ms;
  return options;
}

class SqliteOutbox : public ::testing::Test, protected OutboxFixture {
 protected:
  static void SetUpTestSuite() { FaultVfs::install(); }
  void TearDown() override {
    FaultVfs::fail_writes(SQLITE_OK);
    FaultVfs::fail_syncs(SQLITE_OK);
    expect_conservation();
  }

  [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "outbox.db"; }
  [[nodiscard]] OutboxOptions options() const { return file_options(folder_.path()); }
  [[nodiscard]] std::shared_ptr<Outbox> another() { return take(open_outbox(options(), clock_)); }
  void reopen() {
    use(nullptr);
    use(another());
  }
};

}  // namespace postbox::testing

// SpillParts opens a store that may be away, and a spill beside it: both in files, of which others
// may open another one.
//
// Place:     a base of fixtures whose subject is POSTBOX_SPILL.
// Threads:   one.
// Lifetime:  its folder goes with it.
// Failure:   an expectation of the test.
#pragma once

#include <memory>
#include <string>

#include "far_store.hpp"
#include "outbox_fixture.hpp"
#include "spill_outbox.hpp"
#include "temporary_folder.hpp"

namespace postbox::testing {

class SpillParts {
 protected:
  struct Opened {
    std::shared_ptr<tests::FarStore> store;
    std::shared_ptr<Outbox> outbox;
  };
  [[nodiscard]] std::shared_ptr<Outbox> open_file(const std::string& name,
                                                  std::shared_ptr<Clock> by) const {
    OutboxOptions options;
    options.busy_timeout = 50ms;
    if (name == spill_file) options.max_disk = spill_disk;
    return take(sqlite_backend().open(spill_folder.file(name), options, std::move(by)));
  }
  [[nodiscard]] Opened open(const std::shared_ptr<ManualClock>& by,
                            const std::string& store = "shop.db") const {
    Opened opened{std::make_shared<tests::FarStore>(open_file(store, by)), nullptr};
    opened.outbox = spilling(opened.store, open_file(spill_file, by), by);
    return opened;
  }

  tests::TemporaryFolder spill_folder;
  std::string spill_file = "spill.db";
  Bytes spill_disk = mebibytes(64);
};

}  // namespace postbox::testing

// Another program reads the outbox's file and does not end: SQLite's log grows up to the cap and
// the shop is told to come again. When the reader has ended, the server goes on by itself (F14).
#include "sqlite/database.hpp"
#include "support/field_shop.hpp"
#include "support/raw_file.hpp"

namespace postbox::tests {
namespace {

class ReadThatStaysOpen : public FieldShop {
 protected:
  // Returns the answer's status; the event has some 100 KB.
  int buy_much(int number) const { return buy(order(std::to_string(number), 400).dump()).first; }

  // Longer than it ever is while all is well.
  bool log_is_stalled() const {
    constexpr std::uintmax_t kPage = 4'096;
    return std::filesystem::file_size(home / "postbox.db-wal") > sqlite::kStalledLog * kPage;
  }
};

TEST_F(ReadThatStaysOpen, FillsTheLogAndItsEndMakesRoomAgain) {
  ASSERT_TRUE(
      serve({{"POSTBOX_MAX_DISK", "24MiB"}, {"KLAVIYO_DISABLED_METRICS", "Ordered Product"}}))
      << log();
  std::size_t kept = 0;
  {
    RawConnection backup(home / "postbox.db");
    backup.execute("BEGIN; SELECT count(*) FROM outbox");
    int status = 201;
    for (int i = 0; status == 201 && i < 5'000; ++i) {
      status = buy_much(i);
      if (status == 201) ++kept;
    }
    ASSERT_EQ(status, 503) << "the log has no end";
    EXPECT_TRUE(log_is_stalled());
  }
  int refused = 0;
  while (buy_much(100'000) != 201 && refused < 10'000) ++refused;
  EXPECT_LT(refused, 10'000) << log();
  wait_until_settled();
  EXPECT_EQ(recorded().count("Placed Order"), kept + 1);
  // The sender moves the log when it looks at the outbox next, which it does every five seconds.
  for (int question = 0; question < 200'000 && log_is_stalled(); ++question) (void)metrics();
  EXPECT_FALSE(log_is_stalled());
  expect_conservation();
}

}  // namespace
}  // namespace postbox::tests

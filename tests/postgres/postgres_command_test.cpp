// The program `postbox` beside servers whose outbox is a database.
#include <fstream>

#include "support/postgres_fixture.hpp"
#include "tools/command_run.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;

class PostgresCommand : public Postgres {
 protected:
  CommandRun run(std::vector<std::string> words, const std::string& url) {
    std::ofstream(folder_.file(".env")) << "KLAVIYO_API_KEY=pk_key\n"
                                           "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n"
                                           "POSTBOX_OUTBOX="
                                        << url << '\n';
    words.insert(words.end(), {"--env-file", folder_.file(".env")});
    return run_postbox(std::move(words));
  }
};

TEST_F(PostgresCommand, ShowsAndReplaysWhatIsInTheDatabase) {
  append(events(1, 3));
  settle(claim(1), outcomes(claim(0), OutcomeKind::kDead));
  clock_->advance(kLease);
  settle_all(claim(2), OutcomeKind::kDead);
  const CommandRun status = run({"status"}, options_.url);
  EXPECT_THAT(status.out, HasSubstr("3 accepted")) << status.err;
  const CommandRun listed = run({"dead", "list"}, options_.url);
  EXPECT_EQ(listed.code, 0) << listed.err;
  const CommandRun replayed = run({"dead", "replay", "--yes"}, options_.url);
  EXPECT_EQ(replayed.code, 0) << replayed.err;
  EXPECT_EQ(stats_of().dead, 0U);
  EXPECT_EQ(run({"fsck"}, options_.url).code, 0);
  const CommandRun copied = run({"backup", folder_.file("copy.db")}, options_.url);
  EXPECT_NE(copied.code, 0);
  EXPECT_THAT(copied.err, HasSubstr("pg_dump"));
}

TEST_F(PostgresCommand, SaysThatTheDatabaseIsAwayAndNotThePassword) {
  const std::string url = "postgres://shop:geheim@/nowhere?host=/nowhere";
  for (const char* command : {"status", "doctor"}) {
    const CommandRun away = run({command}, url);
    EXPECT_NE(away.code, 0) << command;
    EXPECT_THAT(away.out + away.err, HasSubstr("/nowhere/.s.PGSQL.5432")) << command;
    EXPECT_THAT(away.out + away.err, ::testing::Not(HasSubstr("geheim"))) << command;
  }
}

}  // namespace
}  // namespace postbox::testing

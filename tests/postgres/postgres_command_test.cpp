// The program `postbox` beside servers whose outbox is a database.
#include <fstream>
#include <postbox/postgres_put.hpp>
#include <stripe_postgres/fact_store.hpp>

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
                                        << url << '\n'
                                        << more_settings_;
    words.insert(words.end(), {"--env-file", folder_.file(".env")});
    return run_postbox(std::move(words));
  }

  std::string more_settings_;
};

TEST_F(PostgresCommand, ShowsAndReplaysWhatIsInTheDatabase) {
  append(events(1, 3));
  settle(claim(1), outcomes(claim(0), OutcomeKind::kDead));
  clock_->advance(kLease);
  settle_all(claim(2), OutcomeKind::kDead);
  const CommandRun status = run({"status"}, options_.url);
  EXPECT_THAT(status.out, HasSubstr("3 accepted")) << status.err;
  EXPECT_EQ(status.out.find("inbox"), std::string::npos);
  const EventDraft draft{.result = TrackResult(TrackStatus::kAccepted), .records = events(4, 2)};
  psql().run(postgres_statement(draft).in_full);
  EXPECT_THAT(run({"status"}, options_.url).out,
              HasSubstr("inbox   2 events of your own transactions"));
  psql().run("DELETE FROM postbox_inbox");
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

TEST_F(PostgresCommand, ForgetAndResealReachWhatStripesWebhooksHaveToldThere) {
  const WallTime now = system_clock()->wall_now();
  const auto none = run({"forget", "ines@goldenacre.example", "--yes"}, options_.url);
  EXPECT_THAT(none.out, HasSubstr("no store of theirs was found")) << none.err;
  EXPECT_FALSE(take(stripe::has_postgres_fact_store(options_.url))) << "a command makes none";
  const auto store = take(stripe::postgres_fact_store(options_.url));
  EXPECT_TRUE(store->put_facts({{"customer:cus_1", "ines@goldenacre.example", now},
                                {"customer:cus_2", "ben@goldenacre.example", now}},
                               now, now + 1h));
  EXPECT_TRUE(store->put_body(
      {"evt_1", R"({"email": "Ines@goldenacre.example"})", "order:pi_1", now + 1h}));
  const auto forgotten = run({"forget", "ines@goldenacre.example", "--yes"}, options_.url);
  EXPECT_THAT(forgotten.out, HasSubstr("removed 2 records from the store of Stripe's webhooks"))
      << forgotten.err;
  EXPECT_EQ(take(store->find_fact("customer:cus_1", now, now)), std::nullopt);
  EXPECT_EQ(take(store->find_fact("customer:cus_2", now, now)), "ben@goldenacre.example");

  more_settings_ = "POSTBOX_ENCRYPTION_KEY=" + std::string(64, 'a') + '\n';
  const auto resealed = run({"reseal"}, options_.url);
  EXPECT_THAT(resealed.out, HasSubstr("encrypted 1 record of the store of Stripe's webhooks"))
      << resealed.err;
  EXPECT_THAT(take(store->find_fact("customer:cus_2", now, now)).value(),
              ::testing::StartsWith("sealed:"));
}

TEST_F(PostgresCommand, DoctorSaysWhetherServersShareWhatWebhooksTell) {
  more_settings_ = "STRIPE_WEBHOOK_SECRET=whsec_0123456789abcdef\n";
  const auto without = run({"doctor", "--offline"}, options_.url);
  EXPECT_THAT(without.out, HasSubstr("stripe::postgres_fact_store()")) << without.err;
  EXPECT_TRUE(take(stripe::postgres_fact_store(options_.url))->awaited_keys());
  const auto with = run({"doctor", "--offline"}, options_.url);
  EXPECT_THAT(with.out, HasSubstr("What webhooks tell is in the database")) << with.err;
  EXPECT_THAT(with.out, ::testing::Not(HasSubstr("stripe::postgres_fact_store()")));
}

TEST_F(PostgresCommand, CountsWhatIsSpilledWhetherTheDatabaseIsThereOrNot) {
  append({event(1)});
  OutboxOptions away = options_;
  away.url = "postgres://shop@/nowhere?host=/nowhere";
  away.spill = "sqlite:" + folder_.file("spill.db");
  EXPECT_TRUE(take(open_outbox(away, clock_))->append(events(2, 2)));
  more_settings_ = "POSTBOX_SPILL=" + away.spill + '\n';
  const auto gone = run({"status"}, away.url);
  EXPECT_NE(gone.code, 0);
  EXPECT_THAT(gone.err, HasSubstr("2 events wait in POSTBOX_SPILL until it is back"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"status"}, std::vector<std::string>{"doctor", "--offline"}}) {
    const auto there = run(words, options_.url);
    EXPECT_THAT(there.out, HasSubstr("2 events in the file of POSTBOX_SPILL")) << there.err;
  }
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

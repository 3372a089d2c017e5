// The tables, the JSON and the words in which commands answer.

#include <gmock/gmock.h>

#include <output.hpp>
#include <sstream>

#include "command_run.hpp"

namespace postbox::testing {
namespace {

using namespace std::chrono_literals;

TEST(CommandOutput, ATableAlignsNumbersToTheRight) {
  cli::Table table({"family", "ready"});
  table.add({"café", "7"});
  table.add({"subscription", "1200"});
  std::ostringstream out;
  table.write(out);
  EXPECT_EQ(out.str(),
            "family        ready\n"
            "café              7\n"
            "subscription   1200\n");
}

TEST(CommandOutput, JsonKeepsItsOrderAndTakesBytesThatAreNoText) {
  std::ostringstream out;
  cli::write_json(out, {{"z", "\xff"}, {"a", 1}});
  EXPECT_EQ(out.str(), "{\n  \"z\": \"\xEF\xBF\xBD\",\n  \"a\": 1\n}\n");
}

TEST(CommandOutput, MembersAreLinesAndTimesAreInWords) {
  std::ostringstream out;
  cli::write_members(out, {{"id", 17}, {"age_ms", 61'000}, {"reason", "a\nb"}});
  EXPECT_EQ(out.str(),
            "id      17\n"
            "age     1m 1s\n"
            "reason  a?b\n");
}

TEST(CommandOutput, NothingThatATerminalObeysIsWritten) {
  EXPECT_EQ(cli::printable("a\x1b[2Jb\nc\x7f\xc2\x9b"
                           "d\xc3\xa9"),
            "a?[2Jb?c??d\xc3\xa9");
}

TEST(CommandOutput, WhatWasTypedIsRepeatedWithoutAddressesNumbersAndKeys) {
  EXPECT_EQ(cli::typed("soon\n"), "soon?");
  EXPECT_EQ(cli::typed("'ines@goldenacre.example'"), "'[e-mail]'");
  EXPECT_EQ(cli::typed("+491701234567 pk_0123456789abcdef"), "[phone] [key]");
}

TEST(CommandOutput, AWordThatIsNotExpectedIsNotRepeated) {
  const CommandRun run = run_postbox({"status", "Marlowe", "--what=pk_0123456789", "ines@x.test"});
  EXPECT_EQ(run.code, cli::kWrongUse);
  EXPECT_EQ(run.err,
            "Not expected: --what and 2 arguments\nRun with --help for more information.\n");
  EXPECT_EQ(run_postbox({"status", "Marlowe"}).err,
            "Not expected: 1 argument\nRun with --help for more information.\n");
  EXPECT_THAT(run_postbox({"serve", "--port", "+491701234567"}).err,
              ::testing::HasSubstr("--port: Value [phone] not in range"));
}

TEST(CommandOutput, EachLineOfAnErrorIsAProblem) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  cli::Console console{.in = in, .out = out, .err = err};
  EXPECT_EQ(cli::fail(console, {ErrorCode::kInvalidConfig, "A: wrong\nB: wrong"}), cli::kProblem);
  EXPECT_EQ(err.str(), "postbox: A: wrong\npostbox: B: wrong\n");
}

TEST(CommandOutput, TimesAndSizesAreInWords) {
  EXPECT_EQ(cli::in_words(350ms), "350ms");
  EXPECT_EQ(cli::in_words(12s), "12s");
  EXPECT_EQ(cli::in_words(5min + 3s), "5m 3s");
  EXPECT_EQ(cli::in_words(2h), "2h");
  EXPECT_EQ(cli::in_words(52h + 59min), "2d 4h");
  EXPECT_EQ(cli::in_size(512), "512 B");
  EXPECT_EQ(cli::in_size(1'572'864), "1.5 MiB");
}

}  // namespace
}  // namespace postbox::testing

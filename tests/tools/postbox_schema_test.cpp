// The command `postbox schema`, and what all commands have in common.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "command_run.hpp"

namespace postbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PostboxCommand, HelpHasAnExampleAndTheExitCodes) {
  const CommandRun run = run_postbox({"--help"});
  EXPECT_EQ(run.code, cli::kDone);
  EXPECT_THAT(run.out, HasSubstr("Example:"));
  EXPECT_THAT(run.out, HasSubstr("0 done, 1 found a problem, 2 wrong use"));
}

TEST(PostboxCommand, UsedWronglyEndsWithTwoAndSaysHow) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"nonsense"}, {"schema", "--nonsense"}}) {
    const CommandRun run = run_postbox(arguments);
    EXPECT_EQ(run.code, cli::kWrongUse);
    EXPECT_THAT(run.out, IsEmpty());
    EXPECT_THAT(run.err, HasSubstr("--help"));
  }
}

TEST(PostboxSchema, OfOneEventIsJson) {
  const CommandRun run = run_postbox({"schema", "Placed Order"});
  EXPECT_EQ(run.code, cli::kDone);
  EXPECT_EQ(nlohmann::json::parse(run.out)["title"], "Placed Order");
}

TEST(PostboxSchema, OfAnUnknownEventNamesThoseThereAre) {
  const CommandRun run = run_postbox({"schema", "Placed order"});
  EXPECT_EQ(run.code, cli::kProblem);
  EXPECT_THAT(run.err, HasSubstr("'Placed order'"));
  EXPECT_THAT(run.err, HasSubstr("  Placed Order\n"));
}

}  // namespace
}  // namespace postbox::testing

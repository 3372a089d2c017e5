#include <postbox/config.hpp>

#include <gmock/gmock.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/temporary_folder.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string error_of(const Result<void>& result) { return result ? "" : result.error().message; }

Config config_from(std::string_view text) {
  Config config;
  EXPECT_TRUE(config.apply(Environment::parse(text).value()));
  return config;
}

std::string apply_error(std::string_view text) {
  Config config;
  return error_of(config.apply(Environment::parse(text).value()));
}

std::string validate_error(std::string_view text) {
  const auto valid = config_from(text).validate();
  return valid ? "" : valid.error().message;
}

TEST(EnvironmentFile, TakesNamesValuesQuotesExportsAndComments) {
  const auto environment = Environment::parse(
      "# comment\n"
      "\n"
      "PLAIN=value\r\n"
      "export EXPORTED = spaced   # trailing\n"
      "SINGLE='a # b'\n"
      "DOUBLE=\"c\" # d\n"
      "HASH=a#b\n"
      "EMPTY=\n"
      "LAST=1\n"
      "LAST=2");
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->get("PLAIN"), "value");
  EXPECT_EQ(environment->get("EXPORTED"), "spaced");
  EXPECT_EQ(environment->get("SINGLE"), "a # b");
  EXPECT_EQ(environment->get("DOUBLE"), "c");
  EXPECT_EQ(environment->get("HASH"), "a#b");
  EXPECT_EQ(environment->get("EMPTY"), std::nullopt);
  EXPECT_EQ(environment->get("LAST"), "2");
  EXPECT_EQ(environment->get("MISSING"), std::nullopt);
}

TEST(EnvironmentFile, ABadLineIsNamedByItsNumberAndNeverQuoted) {
  for (const std::string_view text : {"A=1\npk_secret\n", "A=1\npk secret=2\n",
                                      "A=1\nB='pk_secret\n", "A=1\nB='x' pk_secret\n"}) {
    const auto environment = Environment::parse(text);
    ASSERT_FALSE(environment) << text;
    EXPECT_THAT(environment.error().message, AllOf(HasSubstr("line 2"), Not(HasSubstr("secret"))));
  }
}

TEST(EnvironmentFile, TheProcessWinsOverTheFileAndAMissingFileIsEmpty) {
  const auto file = std::filesystem::temp_directory_path() / "postbox_config_test.env";
  std::ofstream(file) << "POSTBOX_CONFIG_TEST_A=file\nPOSTBOX_CONFIG_TEST_B=file\n";
  setenv("POSTBOX_CONFIG_TEST_A", "process", 1);
  const auto environment = Environment::load(file.string());
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->get("POSTBOX_CONFIG_TEST_A"), "process");
  EXPECT_EQ(environment->get("POSTBOX_CONFIG_TEST_B"), "file");
  std::filesystem::remove(file);
  EXPECT_TRUE(Environment::load(file.string()));
  unsetenv("POSTBOX_CONFIG_TEST_A");
}

TEST(EnvironmentFile, EveryBadLineIsNamedAtOnce) {
  const auto environment = Environment::parse("A=1\nno value\nB='open\n=x\n");
  ASSERT_FALSE(environment);
  EXPECT_THAT(environment.error().message,
              AllOf(HasSubstr("line 2: "), HasSubstr("\nline 3: "), HasSubstr("\nline 4: ")));
}

TEST(EnvironmentFile, AFileThatIsMissedOrEmptyIsAnErrorWhereThereWasOne) {
  using Missing = Environment::Missing;
  const tests::TemporaryFolder folder;
  const std::string file = folder.file("settings");
  EXPECT_FALSE(Environment::load(file).value().has_file());
  EXPECT_THAT(Environment::load(file, Missing::kIsError).error().message,
              AllOf(HasSubstr(file), HasSubstr("is not there")));
  for (const char* text : {"", "\n", " \t\n\n"}) {
    std::ofstream(file) << text;
    EXPECT_FALSE(Environment::load(file).value().has_file());
    EXPECT_THAT(Environment::load(file, Missing::kIsError).error().message,
                AllOf(HasSubstr(file), HasSubstr("is empty")));
  }
  std::ofstream(file) << "# nothing is set on purpose\n";
  EXPECT_TRUE(Environment::load(file, Missing::kIsError).value().has_file());
}

TEST(EnvironmentFile, MayComeThroughAPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  ASSERT_EQ(write(ends[1], "A=1\n", 4), 4);
  close(ends[1]);
  const auto environment = Environment::load("/dev/fd/" + std::to_string(ends[0]));
  close(ends[0]);
  ASSERT_TRUE(environment) << environment.error().message;
  EXPECT_EQ(environment->get("A"), "1");
}

// An editor's or a deployment's: the new file is there before the old one is gone, or after it, or
// is written over it. Whatever the moment, what is read is one of the two, or an error.
TEST(EnvironmentFile, IsReadWholeOrNotAtAllWhileItIsWritten) {
  using Missing = Environment::Missing;
  const tests::TemporaryFolder folder;
  const std::string file = folder.file("settings");
  const std::string filler = "FILLER=" + std::string(20'000, 'x') + "\n";
  const auto write_over = [&] { std::ofstream(file) << "FIRST=1\n" << filler << "LAST=1\n"; };
  write_over();
  std::atomic<bool> enough{false};
  std::thread writer([&] {
    while (!enough) write_over();
  });
  int whole = 0;
  for (int i = 0; i < 300; ++i) {
    const auto environment = Environment::load(file, Missing::kIsError);
    if (!environment) continue;
    ++whole;
    EXPECT_EQ(environment->get("FIRST"), "1");
    EXPECT_EQ(environment->get("LAST"), "1");
    if (whole >= 20) break;
  }
  enough = true;
  writer.join();
  EXPECT_TRUE(Environment::load(file, Missing::kIsError));
}

TEST(EnvironmentFile, AFolderIsNoFile) {
  const auto folder = std::filesystem::temp_directory_path().string();
  const auto environment = Environment::load(folder);
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(environment.error().message, folder + ": Is a directory");
}

TEST(Durations, NeedANumberAndAUnit) {
  EXPECT_EQ(parse_duration("250ms").value(), milliseconds(250));
  EXPECT_EQ(parse_duration("10s").value(), milliseconds(10'000));
  EXPECT_EQ(parse_duration("60m").value(), milliseconds(3'600'000));
  EXPECT_EQ(parse_duration("72h").value(), milliseconds(259'200'000));
  EXPECT_EQ(parse_duration("30d").value(), milliseconds(2'592'000'000));
  for (const std::string_view bad : {"", "5", "m", "-1s", "+1s", "1 s", "1.5h", "1w", "10001d",
                                     "99999999999999999999s", "9223372036854775807d"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Sizes, NeedANumberAndAUnit) {
  EXPECT_EQ(parse_bytes("4096B").value(), Bytes{4096});
  EXPECT_EQ(parse_bytes("64KiB").value(), kibibytes(64));
  EXPECT_EQ(parse_bytes("16MiB").value(), mebibytes(16));
  EXPECT_EQ(parse_bytes("2GiB").value(), mebibytes(2048));
  for (const std::string_view bad :
       {"", "16", "16MB", "-1B", "1.5GiB", "99999999999999999999B", "9223372036854775807GiB"}) {
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  }
}

TEST(ConfigVariables, AreTakenOver) {
  const Config config = config_from(
      "POSTBOX_OUTBOX=sqlite:/var/lib/shop/outbox.db\nPOSTBOX_MAX_DISK=1GiB\n"
      "POSTBOX_MAX_MEMORY=1MiB\nPOSTBOX_GIVE_UP_AFTER=24h\nPOSTBOX_RETENTION=7d\n"
      "POSTBOX_CA_FILE=/etc/shop/ca.pem\nPOSTBOX_LOG_LEVEL=warn\n");
  EXPECT_EQ(config.outbox.url, "sqlite:/var/lib/shop/outbox.db");
  EXPECT_EQ(config.outbox.max_disk, mebibytes(1024));
  EXPECT_EQ(config.max_queued_bytes, mebibytes(1));
  EXPECT_EQ(config.give_up_after, std::chrono::hours(24));
  EXPECT_EQ(config.retention, std::chrono::hours(24 * 7));
  EXPECT_EQ(config.http.ca_file, "/etc/shop/ca.pem");
  EXPECT_EQ(config.log_level, LogLevel::kWarn);
  EXPECT_TRUE(config.validate());
}

TEST(ConfigVariables, ABadValueIsNamedWithWhatIsAccepted) {
  EXPECT_THAT(apply_error("POSTBOX_MAX_DISK=lots"),
              AllOf(HasSubstr("POSTBOX_MAX_DISK"), HasSubstr("'lots'"), HasSubstr("16MiB")));
  EXPECT_THAT(apply_error("POSTBOX_RETENTION=30"),
              AllOf(HasSubstr("POSTBOX_RETENTION"), HasSubstr("'30'"), HasSubstr("30d")));
  EXPECT_THAT(apply_error("POSTBOX_LOG_LEVEL=loud"),
              AllOf(HasSubstr("POSTBOX_LOG_LEVEL"), HasSubstr("'loud'"), HasSubstr("debug")));
}

TEST(ConfigVariables, EveryBadOneIsNamedAtOnce) {
  EXPECT_THAT(apply_error("POSTBOX_MAX_DISK=lots\nPOSTBOX_RETENTION=30\nPOSTBOX_LOG_LEVEL=loud"),
              AllOf(HasSubstr("POSTBOX_MAX_DISK: "), HasSubstr("\nPOSTBOX_RETENTION: "),
                    HasSubstr("\nPOSTBOX_LOG_LEVEL: ")));
  EXPECT_THAT(validate_error("POSTBOX_MAX_DISK=1KiB\nPOSTBOX_GIVE_UP_AFTER=1s"),
              AllOf(HasSubstr("POSTBOX_MAX_DISK: "), HasSubstr("\nPOSTBOX_GIVE_UP_AFTER: ")));
}

TEST(ConfigRanges, NamesOfFilesBecomeAbsolute) {
  const std::string here = std::filesystem::canonical(std::filesystem::current_path()).string();
  const auto valid =
      config_from("POSTBOX_OUTBOX=sqlite:./a/../b.db\nPOSTBOX_CA_FILE=ca.pem").validate();
  ASSERT_TRUE(valid) << valid.error().message;
  EXPECT_EQ((*valid)->outbox.url, "sqlite:" + here + "/b.db");
  EXPECT_EQ((*valid)->http.ca_file, std::filesystem::current_path().string() + "/ca.pem");
}

TEST(ConfigRanges, AreCheckedAtStartOnTheCallersThread) {
  EXPECT_THAT(
      validate_error("POSTBOX_OUTBOX=postgres://shop:secret@db/shop"),
      AllOf(HasSubstr("POSTBOX_OUTBOX"), HasSubstr("'postgres'"), Not(HasSubstr("secret"))));
  EXPECT_THAT(validate_error("POSTBOX_MAX_DISK=1KiB"), HasSubstr("at least 1MiB"));
  EXPECT_THAT(validate_error("POSTBOX_MAX_MEMORY=1KiB"), HasSubstr("at least 64KiB"));
  EXPECT_THAT(validate_error("POSTBOX_GIVE_UP_AFTER=1s"), HasSubstr("at least 1m"));

  Config config;
  config.lease = milliseconds(20'000);
  EXPECT_THAT(config.validate().error().message, HasSubstr("at least twice http.total_timeout"));
  config = {};
  config.max_in_flight = 0;
  EXPECT_THAT(config.validate().error().message, HasSubstr("1 to 1000"));
  config = {};
  config.max_queued_events = 0;
  EXPECT_THAT(config.validate().error().message, HasSubstr("max_queued_events"));
}

}  // namespace
}  // namespace postbox

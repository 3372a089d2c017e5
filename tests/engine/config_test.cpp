#include <postbox/config.hpp>
#include <postbox/environment.hpp>

#include <gmock/gmock.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/far_store.hpp"
#include "support/temporary_folder.hpp"

namespace postbox {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

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

TEST(EnvironmentFile, ALineOfOthersIsSkippedWithOneWarningThatNeverQuotesIt) {
  for (const std::string line :
       {"pk_secret", "pk secret=2", "B='pk_secret", "B='x' pk_secret", "B=\"pk_secret\";",
        "LOG_LEVEL: secret", "a.b-c=secret", "export", "export SECRET", "fi", "=secret",
        "if [ \"$A\" = \"secret\" ]; then", "9LIVES=secret", "B=`secret", "B=sec\\0ret"}) {
    std::string text = "A=1\n" + line + "\nPOSTBOX_RETENTION=7d\n";
    if (const auto zero = text.find("\\0"); zero != std::string::npos) {
      text.replace(zero, 2, 1, '\0');
    }
    const auto environment = Environment::parse(text);
    ASSERT_TRUE(environment) << text;
    EXPECT_EQ(environment->get("A"), "1") << text;
    EXPECT_EQ(environment->get("POSTBOX_RETENTION"), "7d") << text;
    EXPECT_EQ(environment->warnings(), std::vector<std::string>{"line 2 skipped: not NAME=VALUE"})
        << text;
  }
}

TEST(EnvironmentFile, ManySkippedLinesAreOneWarning) {
  std::string text = "no\n";
  const auto warning = [&] { return Environment::parse(text).value().warnings().front(); };
  EXPECT_EQ(warning(), "line 1 skipped: not NAME=VALUE");
  text += "A=1\nno\nno\n";
  EXPECT_EQ(warning(), "lines 1, 3 and 4 skipped: not NAME=VALUE");
  for (int i = 0; i < 20; ++i) text += "no\r\n";
  EXPECT_EQ(warning(), "lines 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 13 more skipped: not NAME=VALUE");
  EXPECT_EQ(Environment::parse("A=1\nB=1\nA=1\nB=2\n").value().warnings().front(),
            "line 4 set a name again with another value: the last line counts");
}

TEST(EnvironmentFile, ALineThatIsMeantForAVariableIsAnErrorOfThatVariable) {
  for (const std::string text :
       {"A=1\nNAME: secret\n", "A=1\nNAME secret\n", "A=1\nNAME=\"secret\n", "A=1\nNAME='se'cret\n",
        "A=1\nNAME=${SECRET}\n", "A=1\nNAME=\"x${SECRET}\"\n", "A=1\nexport NAME: secret\n",
        "NAME=1\nNAME=\"secret\";\n"}) {
    const auto environment = Environment::parse(text).value();
    const auto value = environment.read("NAME");
    ASSERT_FALSE(value) << text;
    EXPECT_THAT(value.error().message,
                AllOf(StartsWith("NAME: line 2: "), Not(HasSubstr("secret"))));
    EXPECT_TRUE(environment.read("A")) << text;
  }
  const auto fine =
      Environment::parse("NAME=\"x\";\nNAME='${x}'\nNAME.old: x\nexport OTHER\nOTHER\n");
  EXPECT_EQ(fine->read("NAME").value(), "${x}");
  EXPECT_EQ(fine->read("OTHER").value(), std::nullopt);
}

TEST(EnvironmentFile, AQuotedValueMaySpanLinesAndHaveEscapes) {
  const auto environment = Environment::parse(
      "PEM=\"-----BEGIN KEY-----\r\nMIIabc==\r\n-----END KEY-----\" # of others\r\n"
      "JSON=\"{\\\"a\\\":\\\"b\\\\n\\\"}\"\nTICKS=`it's \"fine\"`\nRAW='a\\n$b'\n"
      "SINGLE='one\ntwo'\nPLAIN={\"a\":\"b\"}\nNEXT=\"a\\n\\tb\\q\"\nLAST=1");
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->get("PEM"), "-----BEGIN KEY-----\r\nMIIabc==\r\n-----END KEY-----");
  EXPECT_EQ(environment->get("JSON"), R"({"a":"b\n"})");
  EXPECT_EQ(environment->get("TICKS"), "it's \"fine\"");
  EXPECT_EQ(environment->get("RAW"), "a\\n$b");
  EXPECT_EQ(environment->get("SINGLE"), "one\ntwo");
  EXPECT_EQ(environment->get("PLAIN"), "{\"a\":\"b\"}");
  EXPECT_EQ(environment->get("NEXT"), "a\n\tb\\q");
  EXPECT_EQ(environment->get("LAST"), "1");
  EXPECT_THAT(environment->warnings(), IsEmpty());
}

// Of somebody's apostrophe, which must not swallow what stands below it.
TEST(EnvironmentFile, AQuoteThatDoesNotCloseEndsWithItsLine) {
  for (const char* last : {"", "OTHER='x'\n", "OTHER=it's\n", "'\n"}) {
    const auto environment =
        Environment::parse("SHOP='t Theehuis\nPOSTBOX_RETENTION=7d\n" + std::string(last));
    ASSERT_TRUE(environment);
    EXPECT_EQ(environment->get("POSTBOX_RETENTION"), "7d") << last;
    EXPECT_THAT(environment->warnings().front(), HasSubstr("1"));
  }
}

TEST(EnvironmentFile, TakesAMarkAtTheStartAndEveryEndOfLine) {
  for (const char* text : {"\xEF\xBB\xBF"
                           "A=1\nB=2",
                           "A=1\r\nB=2\r\n", "A=1\rB=2\r", "\xEF\xBB\xBF# x\rA=1\n\rB=2",
                           "\tA=1\n\xC2\xA0"
                           "B=2\xC2\xA0\n",
                           "export\tA=1\nexport  B = 2 # x\n"}) {
    const auto environment = Environment::parse(text);
    ASSERT_TRUE(environment) << text;
    EXPECT_EQ(environment->get("A"), "1") << text;
    EXPECT_EQ(environment->get("B"), "2") << text;
    EXPECT_THAT(environment->warnings(), IsEmpty()) << text;
  }
}

TEST(EnvironmentFile, OfTwoBytesALetterIsRefusedByName) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"\xFF\xFE"
                                      "A\0=\0001\0"sv,
                                      "\xFE\xFF\0A\0=\0001"sv, "A\0=\0001\0"sv, "\0A\0=\0001"sv}) {
    const auto environment = Environment::parse(text);
    ASSERT_FALSE(environment);
    EXPECT_THAT(environment.error().message, HasSubstr("UTF-16"));
  }
}

TEST(Environment, ValuesLoseWhatContainersLeaveAroundThem) {
  for (const std::string value : {"v w", " v w\r\n", "\"v w\"", "'v w'\n", "\" v w \"",
                                  "\xC2\xA0v w\xEF\xBB\xBF", "\xE2\x80\x8Bv w\xE2\x80\x8B\n"}) {
    EXPECT_EQ(unwrapped(value), "v w") << value;
  }
  for (const std::string value : {"\"a\",\"b\"", "\"", "\"a", "a\"", "a'b", "'a\""}) {
    EXPECT_EQ(unwrapped(value), value);
  }
  EXPECT_EQ(unwrapped("\"\""), "");
}

class SecretFile : public ::testing::Test {
 protected:
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& lines) const {
    std::ofstream(folder.file(".env")) << lines;
    return Environment::load(folder.file(".env")).value().read_secret("SECRET");
  }
  [[nodiscard]] std::string write(const std::string& text) const {
    std::ofstream(folder.file("secret")) << text;
    return folder.file("secret");
  }
  void expect_refused(const std::string& lines, const std::string& path, const char* why) const {
    const auto secret = read(lines);
    ASSERT_FALSE(secret) << lines;
    EXPECT_EQ(secret.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(secret.error().message,
                AllOf(HasSubstr("SECRET_FILE"), HasSubstr(path), HasSubstr(why)));
  }

  const tests::TemporaryFolder folder;
};

TEST_F(SecretFile, HoldsTheValueOfItsVariable) {
  const std::string path = write("\xEF\xBB\xBF\"s3cret\"\r\n");
  EXPECT_EQ(read("SECRET_FILE=" + path).value(), "s3cret");
  EXPECT_EQ(read("SECRET=\nSECRET_FILE='" + path + "'\n").value(), "s3cret");
  EXPECT_EQ(read("SECRET_FILE=secret\n").value(), "s3cret") << "beside the environment file";
  EXPECT_EQ(read("SECRET=other\nSECRET_FILE=\n").value(), "other");
  EXPECT_EQ(read("").value(), std::nullopt);
}

TEST_F(SecretFile, ThatCannotBeUsedIsNamed) {
  const std::string path = write("s3cret");
  expect_refused("SECRET=other\nSECRET_FILE=" + path, "", "both set");
  expect_refused("SECRET_FILE=" + path + ".not", path, "No such file");
  expect_refused("SECRET_FILE=" + folder.path().string(), folder.path().string(), "Is a directory");
  (void)write(" \n");
  expect_refused("SECRET_FILE=" + path, path, "is empty");
  (void)write(std::string(65'537, 'x'));
  expect_refused("SECRET_FILE=" + path, path, "more than 65536 bytes");
  expect_refused("SECRET_FILE=/dev/zero", "/dev/zero", "more than 65536 bytes");
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

// As a deployment or an editor replaces a file: whatever the moment, what is read is one of the
// two, or an error that says why not.
TEST(EnvironmentFile, IsReadWholeOrNotAtAllWhileItIsReplaced) {
  using Missing = Environment::Missing;
  const tests::TemporaryFolder folder;
  const std::string file = folder.file("settings");
  const std::string filler = "FILLER=" + std::string(20'000, 'x') + "\n";
  const auto replace = [&] {
    const std::string beside = file + ".new";
    std::ofstream(beside) << "FIRST=1\n" << filler << "LAST=1\n";
    std::filesystem::rename(beside, file);
  };
  replace();
  std::atomic<bool> enough{false};
  std::thread writer([&] {
    while (!enough) replace();
  });
  for (int i = 0; i < 10; ++i) {
    const auto environment = Environment::load(file, Missing::kIsError);
    if (!environment) {
      EXPECT_THAT(environment.error().message, HasSubstr("it is being written all the time"));
      continue;
    }
    EXPECT_EQ(environment->get("FIRST"), "1");
    EXPECT_EQ(environment->get("LAST"), "1");
  }
  enough = true;
  writer.join();
  EXPECT_EQ(Environment::load(file, Missing::kIsError).value().get("LAST"), "1");
}

// Linux says zero bytes of its own files: more than the size is a file that grew meanwhile.
TEST(EnvironmentFile, AFileThatGrowsWhileItIsReadIsAnError) {
  const auto environment = Environment::load("/proc/self/status");
  ASSERT_FALSE(environment);
  EXPECT_THAT(environment.error().message, HasSubstr("it is being written all the time"));
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
      "POSTBOX_COMMIT_INTERVAL=20ms\nPOSTBOX_CA_FILE=/etc/shop/ca.pem\nPOSTBOX_LOG_LEVEL=warn\n");
  EXPECT_EQ(config.outbox.url, "sqlite:/var/lib/shop/outbox.db");
  EXPECT_EQ(config.outbox.max_disk, mebibytes(1024));
  EXPECT_EQ(config.max_queued_bytes, mebibytes(1));
  EXPECT_EQ(config.give_up_after, std::chrono::hours(24));
  EXPECT_EQ(config.commit_interval, milliseconds(20));
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

TEST(OutboxPath, IsWhatItSays) {
  EXPECT_EQ(config_from("POSTBOX_OUTBOX=\"sqlite:'shop.db'\"").outbox.url, "sqlite:shop.db");
  EXPECT_EQ(config_from("POSTBOX_OUTBOX=sqlite:\"/a b/shop.db\" ").outbox.url,
            "sqlite:/a b/shop.db");
  EXPECT_EQ(validate_error("POSTBOX_OUTBOX=sqlite:///var/lib/shop.db"), "");
  EXPECT_EQ(validate_error("POSTBOX_OUTBOX=sqlite:a$b/c~d.db"), "");
  for (const auto& [path, why] :
       std::vector<std::pair<std::string, std::string>>{{"", "missing"},
                                                        {"~/shop.db", "~ is not expanded"},
                                                        {"~shop/shop.db", "~ is not expanded"},
                                                        {"$HOME/shop.db", "not expanded"},
                                                        {"/home/$USER/shop.db", "not expanded"},
                                                        {"${DATA}/shop.db", "not expanded"},
                                                        {"//shop.db", "there is no host"},
                                                        {"/var/lib/shop/", "names a folder"}}) {
    EXPECT_THAT(validate_error("POSTBOX_OUTBOX='sqlite:" + path + "'"),
                AllOf(HasSubstr("POSTBOX_OUTBOX: "), HasSubstr(why), HasSubstr("sqlite:PATH")))
        << path;
  }
}

// Its backend is known to no program here.
constexpr std::string_view kDatabase = "POSTBOX_OUTBOX=far://shop\n";

std::string spill_error(const std::string& text) {
  Config config = config_from(std::string(kDatabase) + text);
  config.outbox.backends.push_back(&tests::far_backend());
  const auto valid = config.validate();
  return valid ? "" : valid.error().message;
}

TEST(SpillPath, IsAFileWithOrWithoutItsScheme) {
  EXPECT_EQ(config_from("").outbox.spill, "");
  EXPECT_EQ(config_from("POSTBOX_SPILL=").outbox.spill, "");
  EXPECT_EQ(config_from("POSTBOX_SPILL=/var/lib/spill.db").outbox.spill,
            "sqlite:/var/lib/spill.db");
  EXPECT_EQ(config_from("POSTBOX_SPILL='sqlite:\"/a b/spill.db\"'").outbox.spill,
            "sqlite:/a b/spill.db");
  Config config = config_from(std::string(kDatabase) + "POSTBOX_SPILL=spill.db");
  config.outbox.backends.push_back(&tests::far_backend());
  const auto valid = config.validate();
  ASSERT_TRUE(valid) << valid.error().message;
  const std::string here = std::filesystem::canonical(std::filesystem::current_path()).string();
  EXPECT_EQ((*valid)->outbox.spill, "sqlite:" + here + "/spill.db");
}

TEST(SpillPath, ThatIsNoneIsAnErrorThatNamesIt) {
  for (const auto& [value, why] :
       std::vector<std::pair<std::string, std::string>>{{"~/spill.db", "~ is not expanded"},
                                                        {"/var/lib/", "names a folder"},
                                                        {"sqlite:", "missing"}}) {
    EXPECT_THAT(spill_error("POSTBOX_SPILL=" + value),
                AllOf(HasSubstr("POSTBOX_SPILL: "), HasSubstr(why)))
        << value;
  }
  EXPECT_THAT(apply_error("POSTBOX_SPILL=postgres://shop:geheim@db/shop"),
              AllOf(HasSubstr("POSTBOX_SPILL: 'postgres' is not accepted"), HasSubstr("a path"),
                    Not(HasSubstr("geheim"))));
}

TEST(SpillPath, IsForAnOutboxInADatabase) {
  for (const char* outbox : {"sqlite:shop.db", "memory:"}) {
    EXPECT_THAT(validate_error("POSTBOX_SPILL=spill.db\nPOSTBOX_OUTBOX=" + std::string(outbox)),
                AllOf(HasSubstr("POSTBOX_SPILL: "), HasSubstr("POSTBOX_OUTBOX is ")))
        << outbox;
  }
  const auto opened = open_outbox({.url = "memory:", .spill = "sqlite:spill.db"}, system_clock());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("POSTBOX_SPILL: "));
}

TEST(SpillPath, IsLookedAtBeforeAnythingWaitsThere) {
  const tests::TemporaryFolder folder;
  Config config;
  config.outbox.url = "far://shop";
  config.outbox.backends.push_back(&tests::far_backend());
  config.outbox.spill = "sqlite:" + folder.file("spill.db");
  EXPECT_EQ(error_of(config.check_outbox()), "");
  config.outbox.spill = "sqlite:" + folder.file("none/spill.db");
  EXPECT_THAT(error_of(config.check_outbox()),
              AllOf(HasSubstr("POSTBOX_SPILL: "), HasSubstr("does not exist: create it")));
}

TEST(OutboxPath, IsLookedAtBeforeAnythingWaitsThere) {
  const tests::TemporaryFolder folder;
  const auto look = [&](const std::string& name) {
    Config config;
    config.outbox.url = "sqlite:" + folder.file(name);
    return error_of(config.check_outbox());
  };
  EXPECT_EQ(look("shop.db"), "");
  EXPECT_FALSE(std::filesystem::exists(folder.file("shop.db"))) << "nothing is made";
  EXPECT_THAT(look("none/shop.db"), AllOf(HasSubstr("POSTBOX_OUTBOX: "), HasSubstr("/none'"),
                                          HasSubstr("does not exist: create it")));
  std::ofstream(folder.file("file")) << "x";
  EXPECT_EQ(look("file"), "") << "what it is, SQLite says";
  EXPECT_THAT(look("file/shop.db"), HasSubstr("is no folder"));
  std::filesystem::create_directory(folder.file("data"));
  EXPECT_THAT(look("data"), HasSubstr("is a folder: name a file in it"));
  Config config;
  config.outbox.url = "memory:";
  EXPECT_TRUE(config.check_outbox());
}

TEST(OutboxPath, MustBeWritableForTheUserOfTheProcess) {
  const tests::TemporaryFolder folder;
  Config config;
  config.outbox.url = "sqlite:" + folder.file("data/shop.db");
  std::filesystem::create_directory(folder.file("data"));
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
  const auto look = [&](std::filesystem::perms data) {
    std::filesystem::permissions(folder.file("data"), data);
    const bool is_root = geteuid() == 0;  // who may do everything
    EXPECT_EQ(is_root ? seteuid(65534) : 0, 0);
    const std::string error = error_of(config.check_outbox());
    EXPECT_EQ(is_root ? seteuid(0) : 0, 0);
    return error;
  };
  EXPECT_EQ(look(std::filesystem::perms{0777}), "");
  EXPECT_THAT(look(std::filesystem::perms{0555}),
              AllOf(HasSubstr("the folder '"), HasSubstr("/data'"), HasSubstr("cannot be written"),
                    HasSubstr("Permission denied")));
  std::ofstream(folder.file("data/shop.db")) << "x";
  std::filesystem::permissions(folder.file("data/shop.db"), std::filesystem::perms{0400});
  if (geteuid() != 0) return;  // to its owner the file says otherwise
  EXPECT_THAT(look(std::filesystem::perms{0777}), HasSubstr("the file '"));
}

TEST(ConfigRanges, AreCheckedAtStartOnTheCallersThread) {
  EXPECT_THAT(
      validate_error("POSTBOX_OUTBOX=postgres://shop:secret@db/shop"),
      AllOf(HasSubstr("POSTBOX_OUTBOX"), HasSubstr("'postgres'"), Not(HasSubstr("secret"))));
  EXPECT_THAT(validate_error("POSTBOX_MAX_DISK=1KiB"), HasSubstr("at least 1MiB"));
  EXPECT_THAT(validate_error("POSTBOX_MAX_MEMORY=1KiB"), HasSubstr("at least 64KiB"));
  EXPECT_THAT(validate_error("POSTBOX_GIVE_UP_AFTER=1s"), HasSubstr("at least 1m"));
  EXPECT_THAT(validate_error("POSTBOX_COMMIT_INTERVAL=11s"), HasSubstr("at most 10s"));

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

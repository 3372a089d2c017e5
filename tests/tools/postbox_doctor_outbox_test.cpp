// The findings of `postbox doctor` about the outbox: its folder, disk, file and events.

#include <doctor_outbox.hpp>
#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <postbox/services.hpp>

#include "doctor_setup.hpp"

namespace postbox::testing {
namespace {

using namespace std::chrono_literals;
using cli::Finding;
using cli::FindingLevel;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Broken {
  const char* name;
  std::function<void(DoctorSetUp&)> by;
  const char* complaint;  // a part of the only one
  int code = cli::kProblem;
};

std::function<void(DoctorSetUp&)> at(std::string url) {
  return [=](DoctorSetUp& shop) { shop.variables["POSTBOX_OUTBOX"] = url; };
}

// Beside a process that sends.
std::function<void(DoctorSetUp&)> with(std::function<void(DoctorSetUp&)> step) {
  return [=](DoctorSetUp& shop) {
    shop.append(1);
    shop.run_sender();
    step(shop);
  };
}

// Overwrites bytes of the file.
std::function<void(DoctorSetUp&)> write_at(std::streamoff place, const std::string& bytes) {
  return [=](DoctorSetUp& shop) {
    shop.append(100);
    std::fstream file(shop.outbox_file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(place);
    file << bytes;
  };
}

void bury_one(DoctorSetUp& shop) {
  shop.append(1);
  {
    const auto outbox = shop.open();
    const auto claim = outbox->claim(kQueue, {}, 60s);
    ASSERT_TRUE(claim);
    ASSERT_EQ(claim->events.size(), 1U);
    const Outcome dead{.handle = claim->events.front().handle,
                       .kind = OutcomeKind::kDead,
                       .http_status = 400,
                       .reason = "HTTP 400 invalid"};
    ASSERT_TRUE(outbox->settle(claim->token, std::vector<Outcome>{dead}));
  }
  shop.run_sender();
}

std::string encryption_key(char digit) { return std::string(64, digit); }

// Events that wait under this key.
std::function<void(DoctorSetUp&)> encrypted_with(char digit) {
  return [=](DoctorSetUp& shop) {
    {
      const auto outbox = shop.open({}, encryption_key(digit));
      ASSERT_TRUE(outbox->append(events(1, 2)));
    }
    shop.run_sender();
  };
}

void fill(DoctorSetUp& shop) {
  {
    const auto outbox = shop.open();
    std::uint32_t number = 0;
    for (bool has_room = true; has_room;) {
      EventRecord record = event(++number);
      record.payload.assign(100'000, 'x');
      has_room = outbox->append(std::vector<EventRecord>{record}).has_value();
    }
  }
  shop.run_sender();
}

const std::vector<Broken>& broken_outboxes() {
  static const std::vector<Broken> all{
      {"in memory", at("memory:"), "warning outbox: The outbox is in memory", cli::kDone},
      {"of a kind that there is not", at("redis://shop:secret@cache/0"), "POSTBOX_OUTBOX"},
      {"a path with a variable", at("sqlite:$HOME/postbox.db"), "variables are not expanded"},
      {"a path without its scheme", at("/var/lib/shop/postbox.db"), "POSTBOX_OUTBOX"},
      {"without a folder", at("sqlite:/nowhere/at/all/postbox.db"),
       "problem outbox: POSTBOX_OUTBOX: the folder '/nowhere/at/all' does not exist"},
      {"where nobody can write", at("sqlite:/proc/postbox.db"), "'/proc'"},
      {"a folder", [](DoctorSetUp& shop) { std::filesystem::create_directory(shop.outbox_file()); },
       "is a folder: name a file in it"},
      {"of a newer version", write_at(60, std::string("\0\0\0\x63", 4)),
       "problem outbox: outbox stats"},
      {"of another program", write_at(68, std::string("\0\0\0\x63", 4)),
       "the database of another program"},
      {"no database",
       [](DoctorSetUp& shop) {
         shop.write("postbox.db", std::string(8'192, 'x'));
         ::chmod(shop.outbox_file().c_str(), 0600);
       },
       "problem outbox"},
      {"damaged", write_at(4'096, std::string(16'384, 'x')), "problem outbox"},
      {"full", fill, "problem outbox: The outbox is full to 100 %"},
      {"with dead letters", bury_one, "1 event could not be delivered (dead letters)", cli::kDone},
      {"with old events",
       [](DoctorSetUp& shop) {
         shop.append(3, std::chrono::hours(2));
         shop.run_sender();
       },
       "3 events wait, the oldest for 2h", cli::kDone},
      {"without a sender", [](DoctorSetUp& shop) { shop.append(2); },
       "2 events in the outbox, and no process sends from it", cli::kDone},
      {"open to others", with([](DoctorSetUp& shop) { ::chmod(shop.outbox_file().c_str(), 0644); }),
       "(mode 644)", cli::kDone},
      {"in a folder of everybody's",
       with([](DoctorSetUp& shop) { ::chmod(shop.path("").c_str(), 0777); }),
       "Every user may write in the outbox's folder", cli::kDone},
      {"removed while in use",
       with([](DoctorSetUp& shop) { std::filesystem::remove(shop.outbox_file()); }),
       "was removed while a process sends from it"},
      {"encrypted with a key that is gone", encrypted_with('1'),
       "problem outbox: 2 events are encrypted with a key that is not set"},
      {"encrypted with another key",
       [](DoctorSetUp& shop) {
         encrypted_with('1')(shop);
         shop.variables["POSTBOX_ENCRYPTION_KEY"] = encryption_key('2');
       },
       "problem outbox: 2 events are encrypted with a key that is not set"},
      {"encrypted, and the key is none",
       [](DoctorSetUp& shop) {
         encrypted_with('1')(shop);
         shop.variables["POSTBOX_ENCRYPTION_KEY"] = "short";
       },
       "problem settings: POSTBOX_ENCRYPTION_KEY"},
      {"damaged before",
       with([](DoctorSetUp& shop) { shop.write("postbox.db.damaged-20261127T100000", "x"); }),
       "damaged once", cli::kDone},
      {"replaced while in use",
       with([](DoctorSetUp& shop) { shop.write("postbox.db.removed-20261127T100000", "x"); }),
       "wait in postbox.db.removed-20261127T100000", cli::kDone},
  };
  return all;
}

TEST(PostboxDoctorOutbox, NamesTheOneFaultOfEachBrokenOne) {
  for (const Broken& broken : broken_outboxes()) {
    SCOPED_TRACE(broken.name);
    DoctorSetUp shop;
    broken.by(shop);
    EXPECT_THAT(complaints(shop.examine()), ElementsAre(HasSubstr(broken.complaint)));
    EXPECT_EQ(shop.run.code, broken.code);
    EXPECT_THAT(shop.run.out, ::testing::Not(HasSubstr("secret@")));
  }
}

TEST(PostboxDoctorOutbox, SaysWhetherWhatWaitsIsEncrypted) {
  DoctorSetUp shop;
  encrypted_with('1')(shop);
  shop.variables["POSTBOX_ENCRYPTION_KEY"] = encryption_key('2') + ',' + encryption_key('1');
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  EXPECT_THAT(shop.run.out, ::testing::Not(HasSubstr("lies in the outbox in plain")));
  DoctorSetUp plain;
  EXPECT_THAT(complaints(plain.examine()), IsEmpty()) << "a note, and no complaint";
  EXPECT_THAT(plain.run.out, HasSubstr("lies in the outbox in plain"));
}

TEST(PostboxDoctorOutbox, LeavesADamagedFileToItsSender) {
  DoctorSetUp shop;
  write_at(4'096, std::string(16'384, 'x'))(shop);
  (void)shop.examine();
  for (const auto& entry : std::filesystem::directory_iterator(shop.path(""))) {
    EXPECT_THAT(entry.path().string(), ::testing::Not(HasSubstr(".damaged-")));
  }
}

TEST(PostboxDoctorOutbox, CountsWhatIsHeld) {
  DoctorSetUp shop;
  shop.append(4);
  shop.variables["KLAVIYO_CART_ABANDONED_ENABLED"] = "false";
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  EXPECT_THAT(shop.run.out, HasSubstr("4 events held, since their family is switched off"));
}

TEST(PostboxDoctorOutbox, SaysWhereARelativePathLeadsTo) {
  DoctorSetUp shop;
  shop.variables["POSTBOX_OUTBOX"] = "sqlite:postbox.db";
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(shop.path(""));
  EXPECT_THAT(complaints(shop.examine()), IsEmpty());
  std::filesystem::current_path(before);
  EXPECT_THAT(shop.run.out,
              HasSubstr("From this working directory the outbox is " + shop.outbox_file()));
}

TEST(PostboxDoctorOutbox, ComparesTheSettingsOfTheServerThatRuns) {
  DoctorSetUp shop;
  (void)shop.examine();  // writes the settings
  auto config = klaviyo::Config::from_env(shop.path("shop.env"));
  ASSERT_TRUE(config) << config.error().message;
  config->engine.log = nullptr;
  const auto server = klaviyo::start(*std::move(config), Services{.threads = false});
  ASSERT_TRUE(server) << server.error().message;
  shop.run_sender();
  EXPECT_THAT(complaints(shop.examine({"--offline"})), IsEmpty());
  shop.variables["KLAVIYO_PURCHASE_EVENTS_ENABLED"] = "50%";
  EXPECT_THAT(complaints(shop.examine({"--offline"})),
              ElementsAre(HasSubstr("goes by other settings than these: "
                                    "KLAVIYO_PURCHASE_EVENTS_ENABLED true -> 50%")));
}

TEST(PostboxDoctorOutbox, KnowsWhatIsTooLittleRoom) {
  const Bytes cap = mebibytes(1'024);
  const auto level = [cap](Bytes free, Bytes used) {
    return cli::room_finding(free, used, cap).level;
  };
  EXPECT_EQ(level(mebibytes(2'048), {}), FindingLevel::kOk);
  EXPECT_EQ(level(mebibytes(1'024), {}), FindingLevel::kOk);
  EXPECT_EQ(level(mebibytes(1'023), {}), FindingLevel::kWarning);
  EXPECT_EQ(level(mebibytes(600), mebibytes(500)), FindingLevel::kOk);
  EXPECT_EQ(level(mebibytes(63), mebibytes(500)), FindingLevel::kProblem);
  EXPECT_EQ(level(mebibytes(2'048), mebibytes(768)), FindingLevel::kWarning);
  EXPECT_EQ(level(mebibytes(2'048), mebibytes(922)), FindingLevel::kProblem);
  EXPECT_EQ(level(mebibytes(2'048), mebibytes(1'100)), FindingLevel::kProblem);
}

TEST(PostboxDoctorOutbox, KnowsASlowDisk) {
  EXPECT_EQ(cli::fsync_finding(200us).level, FindingLevel::kOk);
  EXPECT_EQ(cli::fsync_finding(100ms).level, FindingLevel::kNote);
  EXPECT_EQ(cli::fsync_finding(1s).level, FindingLevel::kWarning);
}

TEST(PostboxDoctorOutbox, KnowsTheFileSystemsThatDoNotKeepIt) {
  EXPECT_EQ(cli::filesystem_finding(0x6969)->level, FindingLevel::kProblem);
  EXPECT_EQ(cli::filesystem_finding(0xFF534D42)->level, FindingLevel::kProblem);
  EXPECT_EQ(cli::filesystem_finding(0x01021994)->level, FindingLevel::kNote);
  EXPECT_FALSE(cli::filesystem_finding(0xEF53));
}

TEST(PostboxDoctorOutbox, HistoryMayWait) {
  klaviyo::Config config;
  config.set(klaviyo::kPurchase, Flag::on());
  const QueueId history = klaviyo::backfill_queue(klaviyo::kPurchase.queue);
  cli::QueueFacts facts{.stats = {}, .damaged = 0, .has_sender = true};
  facts.stats.queues = {{.queue = history, .ready = 9, .oldest = 48h}};
  EXPECT_THAT(cli::queue_findings(facts, config),
              ElementsAre(Field(&Finding::level, FindingLevel::kOk)));
  facts.stats.queues.push_back({.queue = klaviyo::kPurchase.queue, .ready = 1, .oldest = 48h});
  EXPECT_THAT(cli::queue_findings(facts, config),
              Contains(AllOf(Field(&Finding::level, FindingLevel::kWarning),
                             Field(&Finding::what, HasSubstr("the oldest for 2d")))));
}

TEST(PostboxDoctorOutbox, DamagedEventsAreAProblem) {
  const cli::QueueFacts facts{.stats = {}, .damaged = 2, .has_sender = true};
  EXPECT_THAT(
      cli::queue_findings(facts, {}),
      Contains(AllOf(Field(&Finding::level, FindingLevel::kProblem),
                     Field(&Finding::what, HasSubstr("2 events among them were damaged")))));
}

}  // namespace
}  // namespace postbox::testing

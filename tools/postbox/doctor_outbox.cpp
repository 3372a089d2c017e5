#include "doctor_outbox.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <klaviyo/families.hpp>
#include <klaviyo/settings.hpp>
#include <klaviyo/settings_history.hpp>
#include <postbox/clock.hpp>
#include <postbox/version.hpp>
#include <system_error>
#include <utility>

#include "order_events.hpp"
#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

namespace fs = std::filesystem;
using Level = FindingLevel;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::string_view kTopic = "outbox";

std::string advice_on(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutboxTooNew:
      return "run the version of Postbox that wrote it, or a newer one; events wait in it";
    case ErrorCode::kOutboxCorrupt:
      return "check the disk (dmesg, smartctl); the server that sends from it saves what can be "
             "read";
    case ErrorCode::kOutboxBusy:
      return "another process is at work on it: try again";
    default:
      return "POSTBOX_OUTBOX names the file; its folder must exist, on a local disk, and belong "
             "to the server's user";
  }
}

Finding error_finding(const Error& error) {
  return {Level::kProblem, kTopic, error.message, advice_on(error.code)};
}

// A file without a name that nobody else sees: the time of what a commit does.
Result<microseconds> time_fsync(const fs::path& folder, const Clock& clock) {
  std::string name = (folder / ".postbox-doctor-XXXXXX").string();
  const auto fail = [&folder] {
    return Error{ErrorCode::kOutboxUnavailable, "no file can be written in '" + folder.string() +
                                                    "': " + std::generic_category().message(errno)};
  };
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return fail();
  ::unlink(name.c_str());
  const std::array<char, 4'096> block{};
  std::array<microseconds, 5> times{};
  for (microseconds& time : times) {
    const auto begin = clock.now();
    if (::write(file, block.data(), block.size()) != ssize_t{block.size()} || ::fsync(file) != 0) {
      const Error error = fail();
      ::close(file);
      return error;
    }
    time = std::chrono::ceil<microseconds>(clock.now() - begin);
  }
  ::close(file);
  std::ranges::sort(times);
  return times[times.size() / 2];
}

// Returns whether a file can be written there.
bool add_disk(const fs::path& folder, std::vector<Finding>& findings) {
  struct statfs status {};
  if (::statfs(folder.c_str(), &status) == 0) {
    if (auto found = filesystem_finding(static_cast<std::uint64_t>(status.f_type))) {
      findings.push_back(*std::move(found));
    }
  }
  const auto time = time_fsync(folder, *system_clock());
  findings.push_back(time ? fsync_finding(*time) : error_finding(time.error()));
  return time.has_value();
}

Bytes free_of(const fs::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return {};
  return Bytes{static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize};
}

std::string mode_text(mode_t mode) {
  std::string text;
  for (int shift = 6; shift >= 0; shift -= 3) text += std::to_string((mode >> shift) & 7U);
  return text;
}

void add_rights(const std::string& file, std::vector<Finding>& findings) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return;
  constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
  if ((status.st_mode & kOthers) != 0) {
    findings.push_back({Level::kWarning, kTopic,
                        "Others than its user may open the outbox (mode " +
                            mode_text(status.st_mode) + "), which holds personal data",
                        "chmod 600 " + file});
  }
  if (status.st_uid != ::geteuid()) {
    findings.push_back({Level::kNote, kTopic,
                        "The outbox belongs to user " + std::to_string(status.st_uid) +
                            ", and this is user " + std::to_string(::geteuid()),
                        "run doctor as the server's user, to see what that may do"});
  }
  for (const char* suffix : {"-wal", "-shm", "-sender", "-lock", "-stripe"}) {
    struct stat beside {};
    const std::string name = file + suffix;
    if (::stat(name.c_str(), &beside) != 0 || beside.st_uid == status.st_uid) continue;
    findings.push_back({Level::kProblem, kTopic,
                        name + " belongs to user " + std::to_string(beside.st_uid) +
                            ", and the outbox to user " + std::to_string(status.st_uid),
                        "chown it to the outbox's user"});
  }
}

// "<path>.damaged-<time>" and "<path>.removed-<time>" (docs/file-format.md).
void add_set_aside(const std::string& file, std::vector<Finding>& findings) {
  const std::string name = fs::path(file).filename().string();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(file).parent_path(), error)) {
    const std::string other = entry.path().filename().string();
    if (other.ends_with("-wal") || other.ends_with("-shm")) continue;
    if (other.starts_with(name + ".damaged-")) {
      findings.push_back({Level::kWarning, kTopic,
                          "The outbox was damaged once, and what could be read was saved: " + other,
                          "check the disk; remove the file when nothing in it is missed"});
    } else if (other.starts_with(name + ".removed-")) {
      findings.push_back({Level::kWarning, kTopic,
                          "Events of an outbox that was replaced while in use wait in " + other,
                          "deliver them by a program with POSTBOX_OUTBOX set to it "
                          "(docs/operations.md)"});
    }
  }
}

// True when a process holds the lock of the one that sends. The lock is taken for microseconds; a
// server that wants it just then tries again within a second.
bool has_sender(const std::string& file) {
  const int lock = ::open((file + "-sender").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  const bool is_held = ::flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return is_held;
}

Finding missing_file(const std::string& file) {
  if (!has_sender(file)) {
    return {Level::kOk, kTopic, "There is no " + file + " yet: a start makes it"};
  }
  return {Level::kProblem, kTopic, file + " was removed while a process sends from it",
          "do not stop that process: it writes again what it holds (docs/operations.md)"};
}

// Others could put another file into the place of the outbox.
void add_folder(const fs::path& folder, std::vector<Finding>& findings) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return;
  if ((status.st_mode & S_IWOTH) == 0 || (status.st_mode & S_ISVTX) != 0) return;
  findings.push_back({Level::kWarning, kTopic,
                      "Every user may write in the outbox's folder " + folder.string(),
                      "chmod o-w " + folder.string()});
}

// The settings of the server that runs, as its start or last reload left them in the outbox.
void add_drift(Outbox& outbox, const klaviyo::Config& config, std::vector<Finding>& findings) {
  const auto kept = outbox.keep(klaviyo::kKeptSettings, {});
  const auto engine = config.engine.validate();
  if (!kept || kept->empty() || !engine) return;
  klaviyo::Config here = config;
  here.engine = **engine;  // with absolute names, as a start has it
  std::vector<SettingInForce> settings = klaviyo::settings_of(here);
  settings.push_back({"Postbox", std::string(kVersion)});
  std::string changes;
  for (const std::string& change : klaviyo::changes_since(*kept, klaviyo::kept_form(settings))) {
    changes += (changes.empty() ? "" : "; ") + change;
  }
  if (changes.empty()) return;
  findings.push_back({Level::kWarning, kTopic,
                      "The server that runs goes by other settings than these: " + changes,
                      "reload it, or restart it; or run doctor with the settings of the server"});
}

void add_contents(Outbox& outbox, const std::string& file, const klaviyo::Config& config,
                  std::vector<Finding>& findings) {
  const auto stats = outbox.stats();
  if (!stats) {
    findings.push_back(error_finding(stats.error()));
    return;
  }
  constexpr std::size_t kMost = 1'000;
  const auto damaged = outbox.dead({.reason = "damaged on the disk"}, EventHandle{0}, kMost);
  findings.push_back(room_finding(free_of(fs::path(file).parent_path()), stats->used,
                                  config.engine.outbox.max_disk));
  const QueueFacts facts{
      .stats = *stats, .damaged = damaged ? damaged->size() : 0, .has_sender = has_sender(file)};
  if (facts.has_sender) add_drift(outbox, config, findings);
  std::ranges::move(queue_findings(facts, config), std::back_inserter(findings));
}

std::vector<Finding> file_findings(Outbox& outbox, const std::string& file,
                                   const klaviyo::Config& config) {
  std::vector<Finding> findings;
  const fs::path folder = fs::path(file).parent_path();
  if (!add_disk(folder, findings)) return findings;
  add_folder(folder, findings);
  std::error_code ignored;
  // Opening makes a file that is not there, and its user might be another one than the server's.
  if (!fs::exists(file, ignored)) {
    findings.push_back(room_finding(free_of(folder), {}, config.engine.outbox.max_disk));
    findings.push_back(missing_file(file));
    return findings;
  }
  add_rights(file, findings);
  add_set_aside(file, findings);
  add_contents(outbox, file, config, findings);
  return findings;
}

// Of the first events alone: a doctor need not read a million.
std::size_t count_locked(Outbox& outbox) {
  constexpr std::size_t kMost = 20'000;
  constexpr std::size_t kPage = 1'000;
  std::size_t locked = 0;
  EventHandle after = kFirstEvent;
  for (std::size_t looked_at = 0; looked_at < kMost; looked_at += kPage) {
    const auto page = outbox.list(after, kPage);
    if (!page || page->empty()) break;
    locked += static_cast<std::size_t>(std::ranges::count_if(
        *page, [](const ListedEvent& event) { return event.record.payload.empty(); }));
    after = page->back().handle;
  }
  return locked;
}

struct Sums {
  std::uint64_t waiting = 0;
  std::uint64_t held = 0;
  std::uint64_t dead = 0;
  milliseconds oldest{0};  // of what is to go at once
};

// Events that are ready in a family that is off count as held. History may wait for hours.
Sums sum_up(const OutboxStats& stats, const klaviyo::Config& config) {
  Sums sums;
  for (const QueueStats& queue : stats.queues) {
    const std::size_t index = klaviyo::flag_index(queue.queue);
    const std::uint64_t moving = queue.ready + queue.leased + queue.delayed;
    const bool is_off = config.flags.at(index).is_off();
    const bool is_history = static_cast<std::size_t>(queue.queue) != index;
    sums.dead += queue.dead;
    sums.held += queue.held + (is_off ? moving : 0);
    if (is_off) continue;
    sums.waiting += moving;
    if (!is_history) sums.oldest = std::max(sums.oldest, queue.oldest.value_or(milliseconds(0)));
  }
  return sums;
}

void add_waiting(const Sums& sums, bool has_sender, milliseconds quiet_time,
                 std::vector<Finding>& findings) {
  const bool is_late = sums.oldest > std::max<milliseconds>(std::chrono::minutes(15),
                                                            quiet_time + std::chrono::minutes(5));
  if (is_late) {
    findings.push_back({Level::kWarning, kTopic,
                        counted(sums.waiting, "event") + (sums.waiting == 1 ? " waits" : " wait") +
                            ", the oldest for " + in_words(sums.oldest),
                        "see above whether Klaviyo is reached and the key is good, and in the "
                        "server's log why they do not go"});
  }
  if (has_sender) {
    findings.push_back(
        {Level::kOk, kTopic,
         "A process sends from it; " + counted(sums.waiting, "event") + " on the way"});
  } else if (sums.waiting > 0) {
    findings.push_back(
        {Level::kWarning, kTopic,
         counted(sums.waiting, "event") + " in the outbox, and no process sends from it",
         "start the server, or deliver them with postbox drain"});
  } else {
    findings.push_back({Level::kOk, kTopic, "No process sends from it, and nothing waits"});
  }
}

}  // namespace

Finding room_finding(Bytes free, Bytes used, Bytes cap) {
  constexpr std::uint64_t kTight = std::uint64_t{64} << 20U;  // SQLite's log alone may take 48 MiB
  const std::uint64_t percent = cap.count == 0 ? 100 : used.count * 100 / cap.count;
  if (percent >= 90) {
    return {Level::kProblem, kTopic,
            "The outbox is full to " + std::to_string(percent) +
                " % of POSTBOX_MAX_DISK: all but purchases are refused",
            "raise POSTBOX_MAX_DISK, and find out why the events do not go"};
  }
  const std::string left = "The disk has " + in_size(free.count) + " left";
  if (free.count < kTight) {
    return {Level::kProblem, kTopic, left, "make room on the outbox's disk"};
  }
  if (percent >= 75) {
    return {Level::kWarning, kTopic,
            "The outbox is full to " + std::to_string(percent) + " % of POSTBOX_MAX_DISK",
            "raise POSTBOX_MAX_DISK, and find out why the events do not go"};
  }
  if (free.count < cap.count - used.count) {
    return {Level::kWarning, kTopic,
            left + ", less than POSTBOX_MAX_DISK lets the outbox grow by (" +
                in_size(cap.count - used.count) + ")",
            "make room, or lower POSTBOX_MAX_DISK, so that others on this disk have theirs"};
  }
  return {Level::kOk, kTopic,
          left + ", the outbox is full to " + std::to_string(percent) + " % of its cap"};
}

Finding fsync_finding(microseconds time) {
  const std::string took =
      "An fsync takes " + (time < milliseconds(10)
                               ? std::to_string(time.count()) + "µs"
                               : in_words(std::chrono::ceil<milliseconds>(time)));
  const std::string advice =
      "each commit waits for one: put the outbox on a local SSD, and look at what else writes "
      "there";
  if (time >= std::chrono::seconds(1)) return {Level::kWarning, kTopic, took, advice};
  if (time >= milliseconds(100)) return {Level::kNote, kTopic, took, advice};
  return {Level::kOk, kTopic, took};
}

std::optional<Finding> filesystem_finding(std::uint64_t type) {
  // Numbers of linux/magic.h, which not every system has: NFS, SMB, CIFS, SMB2; tmpfs, ramfs.
  constexpr std::array<std::uint64_t, 4> kNetwork{0x6969, 0x517B, 0xFF534D42, 0xFE534D42};
  constexpr std::array<std::uint64_t, 2> kMemory{0x01021994, 0x858458F6};
  if (std::ranges::find(kNetwork, type) != kNetwork.end()) {
    return Finding{Level::kProblem, kTopic,
                   "The outbox is on a network file system, where SQLite's log does not work",
                   "put it on a local disk: one outbox for each server"};
  }
  if (std::ranges::find(kMemory, type) != kMemory.end()) {
    return Finding{Level::kNote, kTopic, "The outbox's folder is in memory, and lost at a reboot",
                   "in production, put it on a disk"};
  }
  return std::nullopt;
}

std::optional<Finding> spill_finding(const OutboxStats& stats) {
  if (stats.spilled == 0) return std::nullopt;
  return Finding{Level::kWarning, kTopic,
                 counted(stats.spilled, "event") + " in the file of POSTBOX_SPILL",
                 "a server with that setting gives them to the database when it is there "
                 "(docs/postgres.md)"};
}

std::vector<Finding> queue_findings(const QueueFacts& facts, const klaviyo::Config& config) {
  std::vector<Finding> findings;
  const Sums sums = sum_up(facts.stats, config);
  add_waiting(sums, facts.has_sender, config.cart_quiet_time, findings);
  if (sums.dead > 0) {
    findings.push_back({Level::kWarning, kTopic,
                        counted(sums.dead, "event") + " could not be delivered (dead letters)",
                        "postbox dead list shows why; then postbox dead replay or purge"});
  }
  if (facts.damaged > 0) {
    findings.push_back({Level::kProblem, kTopic,
                        counted(facts.damaged, "event") + " among them were damaged on the disk",
                        "check the disk (dmesg, smartctl) and restore what the shop still knows"});
  }
  if (sums.held > 0) {
    findings.push_back({Level::kNote, kTopic,
                        counted(sums.held, "event") + " held, since their family is switched off",
                        "switch it on, or look at them with postbox held list"});
  }
  return findings;
}

std::vector<Finding> encryption_findings(const klaviyo::Config& config) {
  const auto engine = config.engine.validate();
  if (!engine || !config.engine.check_outbox()) return {};
  const auto outbox = open_outbox((*engine)->outbox, system_clock());
  const auto file = outbox ? (*outbox)->file() : std::nullopt;
  if (!file || file->empty()) return {};
  std::vector<Finding> findings;
  if ((*engine)->outbox.encryption_keys.empty()) {
    findings.push_back({Level::kNote, kTopic,
                        "What waits lies in the outbox in plain: POSTBOX_ENCRYPTION_KEY is not set",
                        "where others could read the disk or its backups, set it to what openssl "
                        "rand -hex 32 prints (docs/operations.md)"});
  }
  std::error_code ignored;
  const std::size_t locked = fs::exists(*file, ignored) ? count_locked(**outbox) : 0;
  if (locked > 0) {
    findings.push_back({Level::kProblem, kTopic,
                        counted(locked, "event") + (locked == 1 ? " is" : " are") +
                            " encrypted with a key that is not set, and cannot be sent",
                        "put that key behind the first one in POSTBOX_ENCRYPTION_KEY, and restart "
                        "the server"});
  }
  return findings;
}

std::vector<Finding> outbox_findings(const klaviyo::Config& config) {
  const auto engine = config.engine.validate();
  if (!engine) return {};  // the settings' findings say why
  const auto outbox = open_outbox((*engine)->outbox, system_clock());
  if (!outbox) return {error_finding(outbox.error())};
  const auto file = (*outbox)->file();
  if (!file) {
    const auto stats = (*outbox)->stats();
    if (!stats) return {error_finding(stats.error())};
    std::vector<Finding> found =
        stats->away.empty()
            ? queue_findings({.stats = *stats}, config)
            : std::vector{error_finding({ErrorCode::kOutboxUnavailable, stats->away})};
    if (const auto spilled = spill_finding(*stats)) found.push_back(*spilled);
    if (const auto ok = config.engine.check_outbox(); !ok) {
      found.push_back(error_finding(ok.error()));
    }
    return found;
  }
  if (file->empty()) {
    return {{Level::kWarning, kTopic, "The outbox is in memory: what waits is lost at exit",
             "set POSTBOX_OUTBOX to a file, such as sqlite:/var/lib/shop/postbox.db"}};
  }
  if (const auto ok = config.engine.check_outbox(); !ok) return {error_finding(ok.error())};
  std::vector<Finding> findings = file_findings(**outbox, *file, config);
  if (config.engine.outbox.url.find(":/") == std::string::npos) {
    findings.push_back(
        {Level::kNote, kTopic, "From this working directory the outbox is " + *file,
         "start the server in this one, too, or set POSTBOX_OUTBOX to the whole path"});
  }
  return findings;
}

}  // namespace postbox::cli

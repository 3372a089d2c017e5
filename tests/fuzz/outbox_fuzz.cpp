// An outbox's file may hold anything: every call answers with a result or an error of the outbox's,
// and ends. The input is edits of a sound file, four bytes each: the place (three) and the new
// byte; a place that is a multiple of 4,096 with the byte 255 cuts the file off there.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <postbox/outbox.hpp>
#include <postbox/testing/manual_clock.hpp>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "support/temporary_folder.hpp"

using namespace postbox;
using namespace postbox::fuzz;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr ClaimLimits kFew{.max_events = 2, .max_bytes = kibibytes(64)};

std::shared_ptr<Outbox> open(const std::string& path) {
  static const auto clock = std::make_shared<postbox::testing::ManualClock>();
  return open_outbox({.url = "sqlite:" + path, .busy_timeout = milliseconds(1)}, clock).value();
}

EventRecord event(std::uint32_t queue, int number) {
  EventRecord record;
  record.queue = QueueId{queue};
  record.dedup_key.fill(static_cast<std::byte>(number));
  record.payload = "event " + std::to_string(number);
  return record;
}

// Rows in every state.
std::string sound_file(const postbox::tests::TemporaryFolder& folder) {
  const std::string path = folder.file("sound.db");
  {
    const auto outbox = open(path);
    std::vector<EventRecord> events;
    for (int i = 0; i < 12; ++i) events.push_back(event(static_cast<std::uint32_t>(i % 3), i));
    require(outbox->append(events).has_value());
    const auto claim = outbox->claim(QueueId{0}, {.max_events = 3}, seconds(60)).value();
    const auto settled = outbox->settle(
        claim.token,
        std::vector<Outcome>{{.handle = claim.events[0].handle, .kind = OutcomeKind::kDead},
                             {.handle = claim.events[1].handle, .kind = OutcomeKind::kHold},
                             {.handle = claim.events[2].handle, .delay = seconds(60)}});
    require(settled.has_value() && settled->applied == 3);
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string edited(std::string bytes, const std::uint8_t* data, std::size_t size) {
  for (; size >= 4 && !bytes.empty(); data += 4, size -= 4) {
    const std::size_t place =
        (data[0] | std::size_t{data[1]} << 8U | std::size_t{data[2]} << 16U) % bytes.size();
    if (place % 4096 == 0 && data[3] == 0xff) {
      bytes.resize(place);
    } else {
      bytes[place] = static_cast<char>(data[3]);
    }
  }
  return bytes;
}

template <class Value>
const Result<Value>& defined(const Result<Value>& result) {
  if (!result) {
    const ErrorCode code = result.error().code;
    require(code != ErrorCode::kInternal && !result.error().message.empty());
  }
  return result;
}

void use(Outbox& outbox) {
  (void)defined(outbox.stats());
  const std::vector<EventRecord> more{event(0, 100), event(1, 1)};
  (void)defined(outbox.append(more));
  const auto due = outbox.due_queues();
  (void)defined(due);
  for (std::uint32_t queue = 0; queue < 3; ++queue) {
    const auto claim = outbox.claim(QueueId{queue}, kFew, seconds(60));
    if (!defined(claim)) continue;
    std::vector<Outcome> outcomes;
    for (const ClaimedEvent& claimed : claim->events) {
      const bool even = outcomes.size() % 2 == 0;
      outcomes.push_back(
          {.handle = claimed.handle, .kind = even ? OutcomeKind::kDelivered : OutcomeKind::kDead});
    }
    (void)defined(outbox.settle(claim->token, outcomes));
    (void)defined(outbox.release_held(QueueId{queue}, Flag::on(), EventHandle{0}));
  }
  (void)defined(outbox.dead({}, EventHandle{0}, 10));
  (void)defined(outbox.replay({}, 10, {}));
  (void)defined(outbox.maintain(hours(1)));
  (void)defined(outbox.purge({}));
  (void)defined(outbox.purge_profile(Key{}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const postbox::tests::TemporaryFolder folder;
  static const std::string sound = sound_file(folder);
  const std::string path = folder.file("edited.db");
  for (const char* part : {"", "-wal", "-shm", "-sender"}) std::filesystem::remove(path + part);
  std::ofstream(path, std::ios::binary) << edited(sound, data, size);
  use(*open(path));
  return 0;
}

#include "spill_record.hpp"

#include <cstring>
#include <utility>
#include <vector>

namespace postbox {
namespace {

using std::chrono::milliseconds;

// Version 1. Numbers have their lowest byte first; a text or a list begins with its length.
//
//   version, flags: a byte each
//   queue: 8 bytes; dedup key, profile key: 16 each; payload
//   with a timing: slot; as_of, debounce: 8 each, milliseconds; the keys that it cancels
//   with a timer besides: delay: 8; the keys that cancel it; its event: queue, keys, payload
constexpr char kVersion = 1;
constexpr unsigned kHasTiming = 1;
constexpr unsigned kHasTimer = 2;
constexpr unsigned kEffectsOnly = 4;
constexpr unsigned kInOrder = 8;

class Writer {
 public:
  void byte(unsigned value) { bytes_.push_back(static_cast<char>(value)); }
  void number(std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8) byte((value >> shift) & 0xffU);
  }
  void time(milliseconds value) { number(static_cast<std::uint64_t>(value.count())); }
  void key(const Key& key) { bytes_.append(reinterpret_cast<const char*>(key.data()), key.size()); }
  void keys(const std::vector<Key>& keys) {
    number(keys.size());
    for (const Key& each : keys) key(each);
  }
  void event(const EventRecord& record) {
    number(static_cast<std::uint64_t>(record.queue));
    key(record.dedup_key);
    key(record.profile_key);
    number(record.payload.size());
    bytes_ += record.payload;
  }
  void timing(const Timing& timing) {
    key(timing.slot);
    time(timing.as_of.time_since_epoch());
    time(timing.debounce);
    keys(timing.cancels);
    if (!timing.timer) return;
    time(timing.timer->delay);
    keys(timing.timer->cancelled_by);
    event(timing.timer->event);
  }
  [[nodiscard]] std::string take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads beyond the end get zeros, and is_good() is false from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] unsigned byte() {
    const std::string_view one = take(1);
    return one.empty() ? 0 : static_cast<unsigned char>(one.front());
  }
  [[nodiscard]] std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 8) value |= std::uint64_t{byte()} << shift;
    return value;
  }
  [[nodiscard]] milliseconds time() { return milliseconds(static_cast<std::int64_t>(number())); }
  [[nodiscard]] Key key() {
    Key key{};
    const std::string_view bytes = take(key.size());
    if (!bytes.empty()) std::memcpy(key.data(), bytes.data(), key.size());
    return key;
  }
  [[nodiscard]] std::vector<Key> keys() {
    const std::uint64_t count = number();
    is_good_ &= count <= rest_.size() / Key{}.size();
    std::vector<Key> keys;
    for (std::uint64_t i = 0; is_good_ && i < count; ++i) keys.push_back(key());
    return keys;
  }
  [[nodiscard]] EventRecord event() {
    EventRecord record;
    record.queue = QueueId{static_cast<std::uint32_t>(number())};
    record.dedup_key = key();
    record.profile_key = key();
    record.payload = take(number());
    return record;
  }
  [[nodiscard]] Timing timing(unsigned flags) {
    Timing timing;
    timing.slot = key();
    timing.as_of = WallTime(time());
    timing.debounce = time();
    timing.cancels = keys();
    timing.effects_only = (flags & kEffectsOnly) != 0;
    timing.in_order = (flags & kInOrder) != 0;
    if ((flags & kHasTimer) == 0) return timing;
    Timer& timer = timing.timer.emplace();
    timer.delay = time();
    timer.cancelled_by = keys();
    timer.event = event();
    return timing;
  }
  [[nodiscard]] bool is_at_end() const { return is_good_ && rest_.empty(); }

 private:
  [[nodiscard]] std::string_view take(std::uint64_t size) {
    is_good_ &= size <= rest_.size();
    if (!is_good_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

unsigned flags_of(const EventRecord& record) {
  if (!record.timing) return 0;
  const Timing& timing = *record.timing;
  return kHasTiming | (timing.timer ? kHasTimer : 0U) | (timing.effects_only ? kEffectsOnly : 0U) |
         (timing.in_order ? kInOrder : 0U);
}

}  // namespace

std::string spill_bytes(const EventRecord& record) {
  Writer writer;
  writer.byte(kVersion);
  writer.byte(flags_of(record));
  writer.event(record);
  if (record.timing) writer.timing(*record.timing);
  return std::move(writer).take();
}

Result<EventRecord> spilled_record(std::string_view bytes) {
  Reader reader(bytes);
  const unsigned version = reader.byte();
  if (version > kVersion) {
    return Error{ErrorCode::kOutboxTooNew,
                 "it holds events that a newer version of Postbox wrote: run the newer one"};
  }
  const unsigned flags = reader.byte();
  EventRecord record = reader.event();
  if ((flags & kHasTiming) != 0) record.timing = reader.timing(flags);
  if (version == kVersion && reader.is_at_end()) return record;
  return Error{ErrorCode::kOutboxCorrupt, "it is no event that was spilled"};
}

}  // namespace postbox

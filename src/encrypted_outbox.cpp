#include "encrypted_outbox.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/cipher.hpp"
#include "base/guarded.hpp"

namespace postbox {
namespace {

// Long enough that a backlog whose key is missing costs little, short enough for an operator who
// has put the key back and restarted.
constexpr std::chrono::minutes kLockedDelay{5};

constexpr std::string_view kKeptContext = "kept:";

std::string_view context_of(const Key& key) noexcept {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Here, because a text that fits may not fit any more when it is sealed.
Error too_long(std::string_view text) {
  return {ErrorCode::kInvalidArgument, "a text of " + std::to_string(text.size()) +
                                           " bytes cannot be kept; expected " +
                                           std::to_string(kMaxKeptText) + " at most"};
}

class EncryptedOutbox final : public Outbox {
 public:
  EncryptedOutbox(std::shared_ptr<Outbox> inside, std::shared_ptr<const Cipher> cipher)
      : inside_(std::move(inside)), cipher_(std::move(cipher)) {}

  [[nodiscard]] OutboxCaps caps() const noexcept override {
    OutboxCaps caps = inside_->caps();
    if (cipher_->seals()) caps.max_payload.count -= std::min(caps.max_payload.count, kOverhead);
    return caps;
  }
  [[nodiscard]] std::optional<std::string> file() const override { return inside_->file(); }
  [[nodiscard]] NewRateGate rate_gate() override { return inside_->rate_gate(); }

  [[nodiscard]] Result<Appended> append(std::span<const EventRecord> batch) override {
    if (!cipher_->seals()) return inside_->append(batch);
    return guarded([&]() -> Result<Appended> {
      std::vector<EventRecord> records;
      records.reserve(batch.size());
      for (const EventRecord& record : batch) records.push_back(sealed(record, *cipher_));
      return inside_->append(records);
    });
  }

  [[nodiscard]] Result<Claim> claim(QueueId queue, const ClaimLimits& limits,
                                    std::chrono::milliseconds lease) override {
    auto claim = inside_->claim(queue, limits, lease);
    if (!claim) return claim;
    return guarded([&]() -> Result<Claim> { return open_all(*std::move(claim)); });
  }

  [[nodiscard]] Result<Settled> settle(ClaimToken token,
                                       std::span<const Outcome> outcomes) override {
    return inside_->settle(token, outcomes);
  }
  [[nodiscard]] Result<Settled> settle_all(std::span<const Decision> decisions) override {
    return inside_->settle_all(decisions);
  }
  [[nodiscard]] Result<std::size_t> extend(ClaimToken token, std::span<const EventHandle> events,
                                           std::chrono::milliseconds lease) override {
    return inside_->extend(token, events, lease);
  }
  [[nodiscard]] Result<std::vector<QueueId>> due_queues() override { return inside_->due_queues(); }
  [[nodiscard]] Result<Released> release_held(QueueId queue, Flag flag,
                                              EventHandle after) override {
    return inside_->release_held(queue, flag, after);
  }

  [[nodiscard]] Result<std::vector<DeadLetter>> dead(const EventFilter& filter, EventHandle after,
                                                     std::size_t max) override {
    return opened(inside_->dead(filter, after, max));
  }
  [[nodiscard]] Result<std::size_t> replay(const EventFilter& filter, std::size_t max,
                                           const Rewrite& rewrite) override {
    if (!rewrite) return inside_->replay(filter, max, rewrite);
    bool is_locked = false;
    auto replayed = inside_->replay(filter, max, [&](EventRecord& record) {
      is_locked = !is_open(open(record));
      // Else it would be sent later without the change: as news what was meant as history.
      if (is_locked) throw std::runtime_error("locked");
      const Key key = record.dedup_key;  // the outbox ignores what becomes of it
      rewrite(record);
      record.payload = cipher_->seal(record.payload, context_of(key));
    });
    if (!is_locked) return replayed;
    return Error{ErrorCode::kInvalidConfig,
                 "a dead letter is encrypted with a key that is not set, and cannot be changed: "
                 "put it behind the first one in POSTBOX_ENCRYPTION_KEY"};
  }
  [[nodiscard]] Result<std::size_t> purge(const EventFilter& filter) override {
    return inside_->purge(filter);
  }

  [[nodiscard]] Result<std::vector<HeldEvent>> held(const HeldFilter& filter, EventHandle after,
                                                    std::size_t max) override {
    return opened(inside_->held(filter, after, max));
  }
  [[nodiscard]] Result<std::vector<EventHandle>> free_held(const HeldFilter& filter,
                                                           EventHandle after,
                                                           std::size_t max) override {
    return inside_->free_held(filter, after, max);
  }
  [[nodiscard]] Result<std::size_t> purge_held(const HeldFilter& filter) override {
    return inside_->purge_held(filter);
  }

  [[nodiscard]] Result<std::vector<ListedEvent>> list(EventHandle after, std::size_t max) override {
    return opened(inside_->list(after, max));
  }
  [[nodiscard]] Result<Checked> check() override { return inside_->check(); }
  [[nodiscard]] Result<void> back_up(const std::string& file) override {
    return inside_->back_up(file);
  }

  [[nodiscard]] Result<std::string> keep(std::string_view name, std::string_view text) override {
    if (text.size() > kMaxKeptText) return too_long(text);
    return guarded([&]() -> Result<std::string> {
      auto kept = inside_->keep(name, text.empty() ? std::string() : sealed_kept(name, text));
      if (!kept || kept->empty()) return kept;
      auto plain = opened_kept(name, *kept);
      // Kept from before there was a key, or under one that is to go.
      if (plain && cipher_->seals() && !cipher_->is_sealed_by_first(*kept)) {
        const auto replaced = inside_->exchange(name, sealed_kept(name, *plain));
        if (!replaced) return replaced.error();
      }
      return plain;
    });
  }
  [[nodiscard]] Result<std::string> exchange(std::string_view name,
                                             std::string_view text) override {
    if (text.size() > kMaxKeptText) return too_long(text);
    return guarded([&]() -> Result<std::string> {
      auto before = inside_->exchange(name, text.empty() ? std::string() : sealed_kept(name, text));
      if (!before || before->empty()) return before;
      // What cannot be read any more was replaced all the same.
      auto plain = opened_kept(name, *before);
      return plain ? plain : std::string();
    });
  }

  [[nodiscard]] Result<std::size_t> purge_profile(const Key& profile) override {
    return inside_->purge_profile(profile);
  }
  [[nodiscard]] Result<Maintained> maintain(std::chrono::milliseconds retention) override {
    return inside_->maintain(retention);
  }
  [[nodiscard]] Result<OutboxStats> stats() override { return inside_->stats(); }
  [[nodiscard]] Spilled spilled() override { return inside_->spilled(); }

  [[nodiscard]] Result<Resealed> reseal() override {
    if (!cipher_->seals()) return Error{ErrorCode::kInvalidArgument, "no encryption key is set"};
    Resealed resealed;
    const auto done = inside_->rewrite_payloads(
        [&](const Key& key, std::string_view payload) -> std::optional<std::string> {
          if (cipher_->is_sealed_by_first(payload)) return std::nullopt;
          const auto opened = cipher_->open(payload, context_of(key));
          if (opened.status == Cipher::Status::kUnknownKey) ++resealed.locked;
          if (!is_open(opened.status)) return std::nullopt;
          return cipher_->seal(opened.text, context_of(key));
        });
    if (!done) return done.error();
    resealed.events = *done;
    return resealed;
  }

 private:
  static constexpr std::uint64_t kOverhead = Cipher::kOverhead;

  // Gives the record its bytes; unless kOpened or kPlain is returned it is as it was.
  Cipher::Status open(EventRecord& record) const {
    if (!Cipher::is_sealed(record.payload)) return Cipher::Status::kPlain;  // without a copy
    auto opened = cipher_->open(record.payload, context_of(record.dedup_key));
    if (opened.status == Cipher::Status::kOpened) record.payload = std::move(opened.text);
    return opened.status;
  }
  static bool is_open(Cipher::Status status) noexcept {
    return status == Cipher::Status::kPlain || status == Cipher::Status::kOpened;
  }

  // For people to look at: what cannot be opened is shown without its bytes.
  template <class Event>
  [[nodiscard]] Result<std::vector<Event>> opened(Result<std::vector<Event>> events) const {
    if (!events) return events;
    return guarded([&]() -> Result<std::vector<Event>> {
      for (Event& event : *events) {
        if (!is_open(open(event.record))) event.record.payload.clear();
      }
      return std::move(events);
    });
  }

  // Puts what cannot be opened back before anybody takes it for an event.
  [[nodiscard]] Result<Claim> open_all(Claim claim) {
    std::vector<Outcome> closed;
    std::erase_if(claim.events, [&](ClaimedEvent& event) {
      switch (open(event.record)) {
        case Cipher::Status::kPlain:
        case Cipher::Status::kOpened:
          return false;
        case Cipher::Status::kUnknownKey:
          ++claim.locked;
          closed.push_back({.handle = event.handle, .delay = kLockedDelay, .spend_attempt = false});
          return true;
        case Cipher::Status::kDamaged:
          break;
      }
      ++claim.damaged;
      closed.push_back({.handle = event.handle,
                        .kind = OutcomeKind::kDead,
                        .spend_attempt = false,
                        .reason = "damaged on the disk: it does not fit its encryption"});
      return true;
    });
    if (closed.empty()) return claim;
    const auto settled = inside_->settle(claim.token, closed);
    if (!settled) return settled.error();
    return claim;
  }

  [[nodiscard]] std::string sealed_kept(std::string_view name, std::string_view text) const {
    return cipher_->seal(text, std::string(kKeptContext).append(name));
  }
  [[nodiscard]] Result<std::string> opened_kept(std::string_view name,
                                                std::string_view kept) const {
    auto opened = cipher_->open(kept, std::string(kKeptContext).append(name));
    if (is_open(opened.status)) return std::move(opened.text);
    return Error{ErrorCode::kInvalidConfig,
                 "what the outbox keeps as '" + std::string(name) +
                     "' was encrypted with another key: put that behind the first one in "
                     "POSTBOX_ENCRYPTION_KEY"};
  }

  const std::shared_ptr<Outbox> inside_;
  const std::shared_ptr<const Cipher> cipher_;
};

}  // namespace

std::shared_ptr<Outbox> encrypted(std::shared_ptr<Outbox> inside,
                                  std::shared_ptr<const Cipher> cipher) {
  return std::make_shared<EncryptedOutbox>(std::move(inside), std::move(cipher));
}

EventRecord sealed(const EventRecord& record, const Cipher& cipher) {
  EventRecord result{.queue = record.queue,
                     .dedup_key = record.dedup_key,
                     .profile_key = record.profile_key,
                     .payload = {},
                     .timing = record.timing};
  // One that is no event has no bytes.
  if (has_event(record)) {
    result.payload = cipher.seal(record.payload, context_of(record.dedup_key));
  }
  if (!record.timing || !record.timing->timer) return result;
  Timing timing = *record.timing;
  timing.timer->event = sealed(timing.timer->event, cipher);
  result.timing = std::make_shared<const Timing>(std::move(timing));
  return result;
}

}  // namespace postbox

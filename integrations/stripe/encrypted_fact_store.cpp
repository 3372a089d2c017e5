#include <algorithm>
#include <cctype>
#include <stripe/encrypted_fact_store.hpp>
#include <utility>

#include "base/base64.hpp"
#include "base/cipher.hpp"
#include "base/encryption_keys.hpp"

namespace stripe {
namespace {

using postbox::Cipher;
using postbox::Error;
using postbox::ErrorCode;
using postbox::Result;
using postbox::WallTime;
using Status = Cipher::Status;
using Found = Result<std::optional<std::string>>;

// On disk, do not change: "sealed:" and what Cipher makes of the text in this context, in Base64.
// One context for all, so that a value is found wherever it stands.
constexpr std::string_view kSealed = "sealed:";
constexpr std::string_view kContext = "Stripe's store";

Error locked() {
  return {ErrorCode::kInvalidConfig,
          "the store of Stripe's webhooks is encrypted with a key that is not set: put it behind "
          "the first one in POSTBOX_ENCRYPTION_KEY and restart"};
}

Error damaged() {
  return {ErrorCode::kOutboxCorrupt,
          "a record of the store of Stripe's webhooks does not fit its encryption: check the disk"};
}

// By each key, the first key's first. A value that is empty says that there is none: the store
// compares it.
std::vector<std::string> seal_by_each(const Cipher& cipher, std::string_view text) {
  if (text.empty() || !cipher.seals()) return {std::string(text)};
  std::vector<std::string> sealed = cipher.seal_same(text, kContext);
  for (std::string& each : sealed) each = std::string(kSealed).append(postbox::to_base64(each));
  return sealed;
}

std::string seal(const Cipher& cipher, std::string_view text) {
  return std::move(seal_by_each(cipher, text).front());
}

Cipher::Opened open(const Cipher& cipher, std::string_view stored) {
  if (!stored.starts_with(kSealed)) return {Status::kPlain, std::string(stored)};
  const auto sealed = postbox::from_base64(stored.substr(kSealed.size()));
  if (!sealed || !Cipher::is_sealed(*sealed)) return {Status::kDamaged};
  return cipher.open(*sealed, kContext);
}

Found open_found(const Cipher& cipher, Found found) {
  if (!found || !*found) return found;
  Cipher::Opened opened = open(cipher, **found);
  if (opened.status == Status::kUnknownKey) return locked();
  if (opened.status == Status::kDamaged) return damaged();
  return std::optional(std::move(opened.text));
}

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) {
    return static_cast<char>(c < 0x80 ? std::tolower(c) : c);
  });
  return text;
}

}  // namespace

EncryptedFactStore::EncryptedFactStore(std::shared_ptr<FactStore> inside,
                                       const std::vector<std::string>& keys)
    : inside_(std::move(inside)), cipher_(postbox::cipher_of(keys)) {}

Result<void> EncryptedFactStore::put_facts(const std::vector<Fact>& facts, WallTime now,
                                           WallTime expires) {
  if (!cipher_->seals()) return inside_->put_facts(facts, now, expires);
  std::vector<Fact> sealed;
  for (const Fact& fact : facts) {
    const auto [kind, address] = split_address(fact.key);
    sealed.push_back({std::string(kind).append(seal(*cipher_, address)), seal(*cipher_, fact.value),
                      fact.as_of});
  }
  return inside_->put_facts(sealed, now, expires);
}

// Under the first key stands what was told since that is the first.
Found EncryptedFactStore::find_fact(std::string_view key, WallTime at, WallTime now) {
  const auto [kind, address] = split_address(key);
  if (address.empty() || !cipher_->seals())
    return open_found(*cipher_, inside_->find_fact(key, at, now));
  for (const std::string& sealed : seal_by_each(*cipher_, address)) {
    Found found = inside_->find_fact(std::string(kind).append(sealed), at, now);
    if (!found || *found) return open_found(*cipher_, std::move(found));
  }
  return open_found(*cipher_, inside_->find_fact(key, at, now));
}

// One that stands under another key, or in plain text, is the same all the same.
Result<bool> EncryptedFactStore::put_decisions(const std::vector<Decision>& decisions, WallTime now,
                                               WallTime expires) {
  std::vector<Decision> sealed;
  for (const auto& [key, value] : decisions) sealed.push_back({key, seal(*cipher_, value)});
  const auto done = inside_->put_decisions(sealed, now, expires);
  if (!done || *done) return done;
  return stand(decisions, now);
}

Result<bool> EncryptedFactStore::stand(const std::vector<Decision>& decisions, WallTime now) {
  for (const auto& [key, value] : decisions) {
    const auto standing = find_decision(key, now);
    if (!standing) return standing.error();
    if (*standing != value) return false;
  }
  return true;
}

Found EncryptedFactStore::find_decision(std::string_view key, WallTime now) {
  return open_found(*cipher_, inside_->find_decision(key, now));
}

Result<void> EncryptedFactStore::put_body(const WaitingBody& body) {
  WaitingBody sealed = body;
  sealed.body = seal(*cipher_, body.body);
  return inside_->put_body(sealed);
}

Result<std::vector<WaitingBody>> EncryptedFactStore::ready_bodies(const std::vector<Fact>& facts,
                                                                  WallTime now) {
  auto bodies = inside_->ready_bodies(facts, now);
  if (!bodies) return bodies;
  for (WaitingBody& waiting : *bodies) {
    Cipher::Opened opened = open(*cipher_, waiting.body);
    waiting.is_locked = opened.status == Status::kUnknownKey;
    waiting.body = std::move(opened.text);
  }
  return bodies;
}

Result<std::vector<std::string>> EncryptedFactStore::awaited_keys() {
  return inside_->awaited_keys();
}

Result<std::optional<WallTime>> EncryptedFactStore::next_due() { return inside_->next_due(); }

Result<bool> EncryptedFactStore::put_off_body(const WaitingBody& body, WallTime until) {
  return inside_->put_off_body(body, until);
}

Result<bool> EncryptedFactStore::remove_body(std::string_view event_id) {
  return inside_->remove_body(event_id);
}

Result<std::size_t> EncryptedFactStore::forget(std::string_view email) {
  auto removed = inside_->forget(email);
  if (!removed) return removed;
  for (const std::string& sealed : seal_by_each(*cipher_, email)) {
    if (sealed == email) continue;  // without a key
    const auto more = inside_->forget(sealed);
    if (!more) return more;
    *removed += *more;
  }
  const auto bodies = forget_bodies(email);
  if (!bodies) return bodies;
  std::size_t unread = 0;
  const auto looked = inside_->rewrite([&](std::string_view stored) {
    unread += open(*cipher_, stored).status == Status::kUnknownKey ? 1 : 0;
    return std::optional<std::string>();
  });
  if (!looked) return looked;
  if (unread > 0) {
    return locked().with_context(std::to_string(unread) +
                                 (unread == 1 ? " record was" : " records were") + " not read");
  }
  return *removed + *bodies;
}

// The store inside finds an address in those alone that are plain.
Result<std::size_t> EncryptedFactStore::forget_bodies(std::string_view email) {
  const auto bodies = ready_bodies({}, WallTime::max());
  if (!bodies) return bodies.error();
  std::size_t removed = 0;
  for (const WaitingBody& waiting : *bodies) {
    if (in_lower_case(waiting.body).find(email) == std::string::npos) continue;
    const auto gone = inside_->remove_body(waiting.event_id);
    if (!gone) return gone.error();
    removed += *gone ? 1 : 0;
  }
  return removed;
}

Result<std::size_t> EncryptedFactStore::expire(WallTime now) { return inside_->expire(now); }

Result<std::size_t> EncryptedFactStore::rewrite(const Rewrite& change) {
  return inside_->rewrite(change);
}

Result<ResealedFacts> EncryptedFactStore::reseal() {
  if (!cipher_->seals()) return Error{ErrorCode::kInvalidArgument, "no encryption key is set"};
  ResealedFacts resealed;
  const auto done = inside_->rewrite([&](std::string_view stored) -> std::optional<std::string> {
    const Cipher::Opened opened = open(*cipher_, stored);
    if (opened.status == Status::kUnknownKey) ++resealed.locked;
    if (opened.text.empty()) return std::nullopt;
    std::string sealed = seal(*cipher_, opened.text);
    return sealed == stored ? std::nullopt : std::optional(std::move(sealed));
  });
  if (!done) return done.error();
  resealed.records = *done;
  return resealed;
}

}  // namespace stripe

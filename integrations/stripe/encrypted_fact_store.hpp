// EncryptedFactStore is a fact store in which values and bodies lie sealed, and the addresses in
// keys. Ids of Stripe and times stay as they are, for the store works by them.
//
// Place:     around every store, also where no key is set: what was sealed before must not be taken
//            for an address.
// Threads:   as the store inside.
// Lifetime:  shares the store inside.
// Failure:   as the store inside; kInvalidConfig for what was sealed with a key that is not here,
//            and kOutboxCorrupt for what is no longer what was sealed.
//
// Equal values are sealed alike, so that the store can compare them: who reads the file sees which
// records have the same value, and no more.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <stripe/fact_store.hpp>
#include <vector>

namespace postbox {
class Cipher;
}

namespace stripe {

// The number of records that were encrypted, and of those whose key is not set.
struct ResealedFacts {
  std::size_t records = 0;
  std::size_t locked = 0;
};

class EncryptedFactStore final : public FactStore {
 public:
  // `keys` are ones that OutboxOptions::encryption_keys may have.
  EncryptedFactStore(std::shared_ptr<FactStore> inside, const std::vector<std::string>& keys);

  [[nodiscard]] bool is_shared() const noexcept override { return inside_->is_shared(); }
  [[nodiscard]] postbox::Result<void> put_facts(const std::vector<Fact>& facts,
                                                postbox::WallTime now,
                                                postbox::WallTime expires) override;
  [[nodiscard]] postbox::Result<std::optional<std::string>> find_fact(
      std::string_view key, postbox::WallTime at, postbox::WallTime now) override;
  [[nodiscard]] postbox::Result<bool> put_decisions(const std::vector<Decision>& decisions,
                                                    postbox::WallTime now,
                                                    postbox::WallTime expires) override;
  [[nodiscard]] postbox::Result<std::optional<std::string>> find_decision(
      std::string_view key, postbox::WallTime now) override;
  [[nodiscard]] postbox::Result<void> put_body(const WaitingBody& body) override;
  [[nodiscard]] postbox::Result<std::vector<WaitingBody>> ready_bodies(
      const std::vector<Fact>& facts, postbox::WallTime now) override;
  [[nodiscard]] postbox::Result<std::vector<std::string>> awaited_keys() override;
  [[nodiscard]] postbox::Result<std::optional<postbox::WallTime>> next_due() override;
  [[nodiscard]] postbox::Result<bool> put_off_body(const WaitingBody& body,
                                                   postbox::WallTime until) override;
  [[nodiscard]] postbox::Result<bool> remove_body(std::string_view event_id) override;

  // Removes what can be read, and fails then when there are records whose key is not here: they may
  // be the person's.
  [[nodiscard]] postbox::Result<std::size_t> forget(std::string_view email) override;
  [[nodiscard]] postbox::Result<std::size_t> expire(postbox::WallTime now) override;
  [[nodiscard]] postbox::Result<std::size_t> rewrite(const Rewrite& change) override;

  // Encrypt with the first key what is plain, or encrypted with another. Fails with
  // kInvalidArgument when there is none.
  [[nodiscard]] postbox::Result<ResealedFacts> reseal();

 private:
  [[nodiscard]] postbox::Result<bool> stand(const std::vector<Decision>& decisions,
                                            postbox::WallTime now);
  [[nodiscard]] postbox::Result<std::size_t> forget_bodies(std::string_view email);

  const std::shared_ptr<FactStore> inside_;
  const std::shared_ptr<const postbox::Cipher> cipher_;
};

}  // namespace stripe

// EncryptedOutbox is an outbox in which events lie sealed: payloads and kept texts. Keys, queues
// and times stay as they are, for the store works by them.
//
// Place:     around the outbox of every backend, also where no key is set: what was sealed before
//            must not be taken for an event.
// Threads:   as the outbox inside.
// Lifetime:  shares the outbox inside.
// Failure:   an event whose key is not here stays where it is and is claimed again five minutes
//            later; one that is no longer what was sealed becomes a dead letter.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <postbox/outbox.hpp>

namespace postbox {

class Cipher;

[[nodiscard]] std::shared_ptr<Outbox> encrypted(std::shared_ptr<Outbox> inside,
                                                std::shared_ptr<const Cipher> cipher);

// The record as it lies in such an outbox. May throw.
[[nodiscard]] EventRecord sealed(const EventRecord& record, const Cipher& cipher);

}  // namespace postbox

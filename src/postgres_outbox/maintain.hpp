// Maintenance of the PostgreSQL outbox's rows as time passes, and what postbox_put() was told.
//
// Place:     below maintain() and due_queues(), which the sender calls.
// Threads:   free functions; one thread at a time per Session. Several servers may do it at once:
//            each takes rows that no other has in its hands.
// Lifetime:  keep nothing.
// Failure:   throw Failure. What was committed before stays.
#pragma once

#include "postgres/transaction.hpp"

namespace postbox::postgres {

// Makes events of what stands in postbox_inbox, some thousands at most. Returns whether there may
// be more.
bool take_in(Session& session);

}  // namespace postbox::postgres

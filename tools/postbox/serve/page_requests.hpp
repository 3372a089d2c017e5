// The questions and changes of the page, each a JSON object in and one out, by the code of the
// commands.
//
// Threads: everything here may be called from several threads at once.
// Failure: kInvalidArgument when `asked` cannot be used; else the outbox's errors.
#pragma once

#include "account.hpp"
#include "output.hpp"

namespace postbox::cli {

struct PageRequests {
  bool reveal = false;  // personal data

  // Dead letters or held events: `asked` has "kind" ("dead" or "held"), the filters of the commands
  // ("family", "metric", "reason", "older_than"), and "after", the id of the last one before.
  [[nodiscard]] Result<Json> list(Account& account, const Json& asked) const;

  // The event with the "id", of the "kind", as `postbox dead show` has it.
  [[nodiscard]] Result<Json> show(Account& account, const Json& asked) const;

  // The number that is "meant", "more" when there are more than it counts, and "part" when replay()
  // and purge() would take the "meant" oldest alone, which they do by "metric".
  [[nodiscard]] Result<Json> count(Account& account, const Json& asked) const;

  // Dead letters, with "backfill" as history; dead letters or held events, by "kind": those that
  // are meant by an "id" or by the filters, the oldest first.
  [[nodiscard]] Result<Json> replay(Account& account, const Json& asked) const;
  [[nodiscard]] Result<Json> purge(Account& account, const Json& asked) const;

  // The events of "order". A request looks at a part of the outbox: "go_on_after" of the answer
  // comes back as "after".
  [[nodiscard]] Result<Json> order(Account& account, const Json& asked) const;
};

}  // namespace postbox::cli

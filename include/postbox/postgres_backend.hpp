// postgres_backend() lets events wait in tables of a PostgreSQL database, which any number of
// servers share.
//
// Place:     a library of its own, postbox::postgres. A program that links it writes, before it
//            starts: config.engine.outbox.backends.push_back(&postbox::postgres_backend()).
// Threads:   a constant; see OutboxBackend.
// Lifetime:  the process's.
// Failure:   see OutboxBackend.
//
// "postgres://USER@HOST/DATABASE?sslmode=verify-full": all that libpq knows of a URI, among it
// several hosts with target_session_attrs=read-write. A password belongs into PGPASSFILE. The
// tables are in the first schema of search_path, such as …?options=-csearch_path%3Dshop. Every
// server sends, each event once: claims are leases in the table, which end by the database's clock.
// See docs/postgres.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <postbox/clock.hpp>
#include <postbox/outbox_backend.hpp>
#include <postbox/rate_gate.hpp>
#include <postbox/result.hpp>

namespace postbox {

[[nodiscard]] const OutboxBackend& postgres_backend() noexcept;

// For Services::rate_gate of servers whose events wait elsewhere, each in a file of its own: the
// limits of `account`, any name, are shared by all that name it at this database. Servers whose
// outbox is the database need none of this. `url` as in POSTBOX_OUTBOX. For one tracker. Fails with
// kInvalidConfig when it does not take the URL; it does not wait for the database.
[[nodiscard]] Result<NewRateGate> postgres_rate_gate(std::string_view url, std::string account,
                                                     std::shared_ptr<Clock> clock);

}  // namespace postbox

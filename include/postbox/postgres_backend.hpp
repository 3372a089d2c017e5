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

#include <postbox/outbox_backend.hpp>

namespace postbox {

[[nodiscard]] const OutboxBackend& postgres_backend() noexcept;

}  // namespace postbox

// postgres_fact_store() keeps what Stripe's webhooks tell in tables of a PostgreSQL database, so
// that any server may get any webhook of an account.
//
// Place:     a library of its own, postbox::stripe_postgres. A program that links it writes, before
//            Webhook::start(): config.fact_store = *stripe::postgres_fact_store(url).
// Threads:   as FactStore: every member from any, at the same time.
// Lifetime:  as FactStore. It has one connection, and for what takes longer (once an hour, and
//            forget()) a second one; in the child of a fork() it opens its own.
// Failure:   kInvalidConfig when the URL is not accepted. A database that cannot be reached is an
//            error of each call, and none of the next: the webhook is answered with 503, and
//            delivered again. No message has a password.
//
// The tables are made at the first use, where the role may create them; see docs/postgres.md. They
// may stand beside those of the outbox. Decisions, bodies and facts are on the server's disk when
// they are told, and the first decision stands on whichever server it was made.
#pragma once

#include <memory>
#include <postbox/result.hpp>
#include <string_view>
#include <stripe/fact_store.hpp>

namespace stripe {

// `url` as in POSTBOX_OUTBOX: "postgres://USER@HOST/DATABASE". The limits are those of all servers,
// and should be the same on each; a few bodies more may wait when several begin to at once.
[[nodiscard]] postbox::Result<std::shared_ptr<FactStore>> postgres_fact_store(
    std::string_view url, FactStoreLimits limits = {});

// True if the tables exist, because a server has used them. Makes none.
[[nodiscard]] postbox::Result<bool> has_postgres_fact_store(std::string_view url);

}  // namespace stripe

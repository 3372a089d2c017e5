-- A role for the servers that use Postbox's outbox: it reads and writes the tables, and can neither
-- change nor drop them. Run this as their owner, once the tables are there, and again after an
-- update of Postbox that has added some:
--
--   psql --set=role=postbox --set=schema=shop --file=role.sql "$DATABASE_URL"
--
-- The role gets no password here: \password postbox, or what pg_hba.conf asks for.
\set ON_ERROR_STOP on
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'role')
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'role') \gexec

BEGIN;
SET LOCAL search_path = :"schema";
REVOKE CREATE ON SCHEMA :"schema" FROM :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT ON postbox_meta TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON
  postbox_kept, postbox_outbox, postbox_dead, postbox_timer, postbox_timer_key, postbox_end,
  postbox_collapsing, postbox_inbox, postbox_rate, postbox_rate_server TO :"role";
GRANT SELECT, UPDATE ON postbox_totals TO :"role";
-- What Stripe's webhooks tell and what other languages do, where it is in these tables
-- (stripe_version_1.sql, told_version_1.sql).
SELECT format('GRANT %s ON %I.%I TO %I',
              CASE WHEN tablename LIKE '%\_meta' THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END,
              schemaname, tablename, :'role')
FROM pg_tables WHERE schemaname = :'schema' AND tablename ~ '^postbox_(stripe|told)' \gexec
COMMIT;

-- A role of the shop that only tells events in its own transactions, by postbox_put() or postbox_tell():
--   GRANT USAGE ON SCHEMA shop TO shop_server;
--   GRANT INSERT ON shop.postbox_inbox, shop.postbox_told TO shop_server;

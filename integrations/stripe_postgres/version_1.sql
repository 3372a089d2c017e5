-- What Stripe's webhooks have told, on PostgreSQL: version 1 of its tables. A published version is never edited: a new
-- one is a file of its own, and only adds while an older library may still be at work.
--
-- Names are unqualified: search_path decides the schema, also in the functions. Times are milliseconds since 1970 by the
-- clock of the server that the webhook came to. Texts are bytea, so that the order of two is that of their bytes, and
-- whatever Stripe sends is kept.
--
-- postbox_stripe_known: facts, a row for each time from which another value holds. postbox_stripe_decided: decisions.
-- postbox_stripe_waiting: bodies, by the id that they wait under, until their fact or their time comes.

CREATE TABLE postbox_stripe_meta (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO postbox_stripe_meta(name, value) VALUES ('version', 1), ('oldest_library', 1);

CREATE TABLE postbox_stripe_known (
  key     bytea  NOT NULL,
  as_of   bigint NOT NULL,
  value   bytea  NOT NULL,
  expires bigint NOT NULL,
  PRIMARY KEY (key, as_of)
);
CREATE INDEX postbox_stripe_known_expires ON postbox_stripe_known(expires);

CREATE TABLE postbox_stripe_decided (key bytea PRIMARY KEY, value bytea NOT NULL, expires bigint NOT NULL);
CREATE INDEX postbox_stripe_decided_expires ON postbox_stripe_decided(expires);

CREATE TABLE postbox_stripe_waiting (
  event_id bytea  PRIMARY KEY,
  body     bytea  NOT NULL,
  key      bytea  NOT NULL,
  until    bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE INDEX postbox_stripe_waiting_until ON postbox_stripe_waiting(until);
CREATE INDEX postbox_stripe_waiting_key ON postbox_stripe_waiting(key);

-- Of a key, only the newest value lasts until `expires_ms`; those before it, until `late_ms`. Facts of one key are told
-- one after the other: else two servers would not see which of their values is the older one. Who tells several sorts
-- the keys, so that no two wait for each other.
CREATE FUNCTION postbox_stripe_tell(
  keys bytea[], times bigint[], texts bytea[], expires_ms bigint, late_ms bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. cardinality(keys) LOOP
    PERFORM pg_advisory_xact_lock(hashtext('postbox_stripe_known'), hashtext(encode(keys[i], 'hex')));
    INSERT INTO postbox_stripe_known AS k (key, as_of, value, expires)
    VALUES (keys[i], times[i], texts[i], expires_ms)
    ON CONFLICT (key, as_of) DO UPDATE
      SET value = greatest(k.value, excluded.value), expires = greatest(k.expires, excluded.expires);
    UPDATE postbox_stripe_known AS k SET expires = late_ms
    WHERE k.key = keys[i] AND k.expires > late_ms
      AND k.as_of < (SELECT max(newest.as_of) FROM postbox_stripe_known AS newest WHERE newest.key = keys[i]);
  END LOOP;
END
$$;

-- The first decision stands, whichever server made it: an insert waits for one of the same key that is not committed
-- yet, and the look behind it sees what that was. All are tried, also behind one that stands otherwise: then the next
-- attempt needs no further decision of another server. Who decides several sorts the keys.
CREATE FUNCTION postbox_stripe_decide(keys bytea[], texts bytea[], now_ms bigint, expires_ms bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  all_stand boolean := true;
BEGIN
  FOR i IN 1 .. cardinality(keys) LOOP
    INSERT INTO postbox_stripe_decided AS d (key, value, expires) VALUES (keys[i], texts[i], expires_ms)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE d.expires <= now_ms;
    all_stand := all_stand
      AND coalesce((SELECT d.value = texts[i] FROM postbox_stripe_decided AS d WHERE d.key = keys[i]), false);
  END LOOP;
  RETURN all_stand;
END
$$;

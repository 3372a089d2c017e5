-- The functions of version 1: what a record's Timing says, in the transaction that stores it. (What they change is in
-- include/postbox/event.hpp; why it is so, in sqlite_outbox/timers.cpp and order.cpp.)

-- The database's clock; a test has its own.
CREATE FUNCTION postbox_now(injected bigint) RETURNS bigint LANGUAGE sql AS $$
  SELECT coalesce(injected, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
$$;

-- About what an event takes on the disk: twice its bytes, as pages are filled by half, and its
-- places in the indexes.
CREATE FUNCTION postbox_size(payload bytea) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
  SELECT 400 + 2 * octet_length(payload)::bigint
$$;

CREATE FUNCTION postbox_dead_size(payload bytea, reason bytea, pointer bytea) RETURNS bigint
IMMUTABLE LANGUAGE sql AS $$
  SELECT 200 + octet_length(payload)::bigint + octet_length(reason) + octet_length(pointer)
$$;

-- Tell an event inside your own transaction: once that is committed it will be delivered, and if
-- it is rolled back it has never been. It only inserts a row: it waits for no other transaction,
-- and none waits for it. The event's effects on others (its `slot` and what follows, see Timing)
-- come about when a sender takes it in.
--
-- `as_of`, `debounce` and `timer_delay` are milliseconds. `checksum` may be null.
CREATE FUNCTION postbox_put(
  queue_id bigint, dedup_key uuid, profile_key uuid, payload bytea, checksum bigint DEFAULT NULL,
  slot uuid DEFAULT NULL, as_of bigint DEFAULT NULL, debounce bigint DEFAULT 0,
  cancels uuid[] DEFAULT '{}', effects_only boolean DEFAULT false, in_order boolean DEFAULT false,
  timer_delay bigint DEFAULT NULL, timer_keys uuid[] DEFAULT '{}',
  timer_queue_id bigint DEFAULT NULL, timer_dedup_key uuid DEFAULT NULL,
  timer_profile_key uuid DEFAULT NULL, timer_payload bytea DEFAULT NULL,
  timer_checksum bigint DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO postbox_inbox(
    queue_id, dedup_key, profile_key, payload, checksum, slot, as_of, debounce, cancels,
    effects_only, in_order, timer_delay, timer_keys, timer_queue_id, timer_dedup_key,
    timer_profile_key, timer_payload, timer_checksum)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
$$;

-- Two transactions that could both decide about a slot, a cart's key or a profile take turns: in
-- the order of the keys, so that none waits for one that waits for it. Many keys are all keys: a
-- server has room for some thousand locks.
CREATE FUNCTION postbox_lock(keys uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(keys) > 64 THEN
    PERFORM pg_advisory_xact_lock('postbox_timer'::regclass::oid::int, 0);
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock_shared('postbox_timer'::regclass::oid::int, 0);
  PERFORM pg_advisory_xact_lock('postbox_outbox'::regclass::oid::int, hash)
  FROM (SELECT DISTINCT uuid_hash(key) AS hash FROM unnest(keys) AS key ORDER BY 1) AS sorted;
END $$;

-- Removes a timer, and what it has fired if that waits. Returns how many events those are.
CREATE FUNCTION postbox_remove_timer(timer bigint, INOUT purged integer, INOUT bytes bigint)
LANGUAGE plpgsql AS $$
DECLARE
  gone record;
  freed bigint;
BEGIN
  DELETE FROM postbox_timer WHERE id = timer
    RETURNING event_id, ended_by, postbox_size(payload) AS size INTO gone;
  IF NOT FOUND THEN RETURN; END IF;
  DELETE FROM postbox_timer_key WHERE timer_id = timer AND key = ANY(gone.ended_by);
  IF gone.event_id = 0 THEN
    bytes := bytes - gone.size;
    RETURN;
  END IF;
  DELETE FROM postbox_outbox WHERE id = gone.event_id RETURNING postbox_size(payload) INTO freed;
  IF FOUND THEN
    purged := purged + 1;
    bytes := bytes - freed;
  END IF;
END $$;

-- Ends what has `ended` and is not newer, and remembers it for a day.
CREATE FUNCTION postbox_end(ended uuid, own_slot uuid, ended_at bigint, now_ms bigint,
                            INOUT purged integer, INOUT bytes bigint, INOUT ends integer)
LANGUAGE plpgsql AS $$
DECLARE
  is_new boolean;
  timer bigint;
BEGIN
  IF ended_at + 86400000 > now_ms THEN
    INSERT INTO postbox_end AS known(key, as_of, expires_at)
      VALUES (ended, ended_at, ended_at + 86400000)
      ON CONFLICT (key) DO UPDATE SET as_of = greatest(known.as_of, excluded.as_of),
        expires_at = greatest(known.expires_at, excluded.expires_at)
      RETURNING xmax = 0 INTO is_new;
    IF is_new THEN ends := ends + 1; END IF;
  END IF;
  FOR timer IN
    SELECT t.id FROM postbox_timer_key AS k JOIN postbox_timer AS t ON t.id = k.timer_id
    WHERE k.key = ended AND least(t.as_of, now_ms) <= ended_at
      + CASE WHEN t.slot = ended AND own_slot IS DISTINCT FROM ended THEN 120000 ELSE 0 END
    ORDER BY t.id FOR UPDATE OF t
  LOOP
    SELECT * INTO purged, bytes FROM postbox_remove_timer(timer, purged, bytes);
  END LOOP;
END $$;

-- Starts the timer of a slot in place of the older one, unless an end is as new or newer.
CREATE FUNCTION postbox_start_timer(
  own_slot uuid, started_at bigint, now_ms bigint, wait bigint, keys uuid[], queue bigint,
  dedup uuid, profile uuid, sum bigint, body bytea, INOUT purged integer, INOUT bytes bigint)
LANGUAGE plpgsql AS $$
DECLARE
  known record;
  timer bigint;
  due bigint := now_ms + least(greatest(wait, 0), 366 * 86400000::bigint);
  all_keys uuid[] := ARRAY(SELECT DISTINCT key FROM unnest(own_slot || keys) AS key);
BEGIN
  SELECT id, least(t.as_of, now_ms) AS as_of, due_at, event_id INTO known
    FROM postbox_timer AS t WHERE t.slot = own_slot FOR UPDATE;
  IF FOUND THEN
    IF known.as_of > started_at OR (known.as_of = started_at AND known.event_id > 0) THEN
      RETURN;
    END IF;
    IF known.as_of = started_at THEN due := least(due, known.due_at); END IF;
    SELECT * INTO purged, bytes FROM postbox_remove_timer(known.id, purged, bytes);
  END IF;
  IF EXISTS (SELECT 1 FROM postbox_end AS e WHERE e.key = ANY(all_keys) AND e.as_of >= started_at)
  THEN
    RETURN;
  END IF;
  INSERT INTO postbox_timer(slot, due_at, delay, as_of, queue_id, dedup_key, profile_key, checksum,
                            ended_by, payload)
    VALUES (own_slot, due, least(greatest(wait, 0), 366 * 86400000::bigint), started_at, queue,
            dedup, profile, sum, all_keys, body)
    RETURNING id INTO timer;
  INSERT INTO postbox_timer_key(key, timer_id) SELECT key, timer FROM unnest(all_keys) AS key;
  bytes := bytes + postbox_size(body);
END $$;

-- Stores an event that may wait for a newer one of its slot, or takes the place of one.
CREATE FUNCTION postbox_store_debounced(
  now_ms bigint, queue bigint, dedup uuid, profile uuid, body bytea, sum bigint, own_slot uuid,
  reported_at bigint, debounce bigint, INOUT stored integer, INOUT bytes bigint)
LANGUAGE plpgsql AS $$
DECLARE
  waiting record;
  new_id bigint;
  due bigint := now_ms + least(debounce, 7200000);
BEGIN
  SELECT o.id, least(c.as_of, now_ms) AS as_of, postbox_size(o.payload) AS size INTO waiting
    FROM postbox_collapsing AS c JOIN postbox_outbox AS o ON o.id = c.event_id
    WHERE c.slot = own_slot AND o.state = 1 AND o.attempts = 0 AND o.next_at = c.due_at
    FOR UPDATE OF o;
  IF FOUND THEN
    IF reported_at < waiting.as_of OR EXISTS (SELECT 1 FROM postbox_outbox AS o
        WHERE o.queue_id = queue AND o.dedup_key = dedup AND o.id <> waiting.id) THEN
      RETURN;
    END IF;
    UPDATE postbox_outbox SET queue_id = queue, dedup_key = dedup, profile_key = profile,
      checksum = sum, payload = body WHERE id = waiting.id;
    UPDATE postbox_collapsing SET as_of = reported_at WHERE slot = own_slot;
    bytes := bytes + postbox_size(body) - waiting.size;
    RETURN;
  END IF;
  INSERT INTO postbox_outbox(queue_id, created_at, state, next_at, dedup_key, profile_key,
                             checksum, payload)
    VALUES (queue, now_ms, 1, due, dedup, profile, sum, body)
    ON CONFLICT (queue_id, dedup_key) DO NOTHING RETURNING id INTO new_id;
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO postbox_collapsing(slot, event_id, due_at, as_of)
    VALUES (own_slot, new_id, due, reported_at)
    ON CONFLICT (slot) DO UPDATE SET event_id = excluded.event_id, due_at = excluded.due_at,
      as_of = excluded.as_of;
  stored := 1;
  bytes := bytes + postbox_size(body);
END $$;

-- Stores an update of a profile: in the row of the newest one of its slot that is in no one's
-- hands, which goes to the end with it, or in a row of its own.
CREATE FUNCTION postbox_store_in_order(
  now_ms bigint, queue bigint, dedup uuid, profile uuid, body bytea, sum bigint, own_slot uuid,
  INOUT stored integer, INOUT bytes bigint)
LANGUAGE plpgsql AS $$
DECLARE
  waiting record;
BEGIN
  SELECT o.id, postbox_size(o.payload) AS size INTO waiting FROM postbox_outbox AS o
    WHERE o.profile_key = profile AND o.slot = own_slot AND o.lease_token = 0
    ORDER BY o.id DESC LIMIT 1 FOR UPDATE;
  IF FOUND THEN
    IF EXISTS (SELECT 1 FROM postbox_outbox AS o WHERE o.queue_id = queue AND o.dedup_key = dedup
               AND o.id <> waiting.id) THEN
      RETURN;
    END IF;
    UPDATE postbox_outbox SET id = DEFAULT, queue_id = queue, state = 0, attempts = 0, next_at = 0,
      created_at = now_ms, first_attempt_at = 0, lease_until = 0, dedup_key = dedup,
      checksum = sum, payload = body WHERE id = waiting.id;
    bytes := bytes + postbox_size(body) - waiting.size;
    RETURN;
  END IF;
  INSERT INTO postbox_outbox(queue_id, created_at, dedup_key, profile_key, slot, checksum, payload)
    VALUES (queue, now_ms, dedup, profile, own_slot, sum, body)
    ON CONFLICT (queue_id, dedup_key) DO NOTHING;
  IF FOUND THEN
    stored := 1;
    bytes := bytes + postbox_size(body);
  END IF;
END $$;

-- Stores one record and does what its timing says. The caller has called postbox_lock() with the
-- keys of all its records, and counts what this returns.
CREATE FUNCTION postbox_store(
  now_ms bigint, queue bigint, dedup uuid, profile uuid, body bytea, sum bigint, own_slot uuid,
  as_of bigint, debounce bigint, cancels uuid[], effects_only boolean, in_order boolean,
  timer_delay bigint, timer_keys uuid[], timer_queue bigint, timer_dedup uuid,
  timer_profile uuid, timer_body bytea, timer_sum bigint,
  OUT stored integer, OUT purged integer, OUT bytes bigint, OUT ends integer)
LANGUAGE plpgsql AS $$
DECLARE
  -- A clock that runs ahead would make a report newer than all that follow.
  reported_at bigint := least(coalesce(as_of, now_ms), now_ms);
  ended uuid;
BEGIN
  stored := 0; purged := 0; bytes := 0; ends := 0;
  IF in_order AND NOT effects_only THEN
    SELECT * INTO stored, bytes FROM postbox_store_in_order(
      now_ms, queue, dedup, profile, body, sum, own_slot, stored, bytes);
  ELSIF debounce > 0 AND NOT effects_only THEN
    SELECT * INTO stored, bytes FROM postbox_store_debounced(
      now_ms, queue, dedup, profile, body, sum, own_slot, reported_at, debounce, stored, bytes);
  ELSIF NOT effects_only THEN
    INSERT INTO postbox_outbox(queue_id, created_at, dedup_key, profile_key, checksum, payload)
      VALUES (queue, now_ms, dedup, profile, sum, body)
      ON CONFLICT (queue_id, dedup_key) DO NOTHING;
    IF FOUND THEN
      stored := 1;
      bytes := postbox_size(body);
    END IF;
  END IF;
  FOREACH ended IN ARRAY cancels LOOP
    SELECT * INTO purged, bytes, ends
      FROM postbox_end(ended, own_slot, reported_at, now_ms, purged, bytes, ends);
  END LOOP;
  IF timer_delay IS NOT NULL THEN
    SELECT * INTO purged, bytes FROM postbox_start_timer(
      own_slot, reported_at, now_ms, timer_delay, timer_keys, timer_queue, timer_dedup,
      timer_profile, timer_sum, timer_body, purged, bytes);
  END IF;
END $$;

-- Makes events of what postbox_put() was told, at most `most`, in its order. One transaction at a
-- time does it: two would swap updates of a profile.
CREATE FUNCTION postbox_take_in(
  injected bigint, most integer, OUT taken integer, OUT stored integer, OUT duplicates integer,
  OUT purged integer, OUT bytes bigint, OUT ends integer)
LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint;
  ids bigint[];
  keys uuid[];
  told record;
  one record;
BEGIN
  taken := 0; stored := 0; duplicates := 0; purged := 0; bytes := 0; ends := 0;
  IF NOT pg_try_advisory_xact_lock('postbox_inbox'::regclass::oid::int, 0) THEN RETURN; END IF;
  ids := ARRAY(SELECT id FROM postbox_inbox ORDER BY id LIMIT most);
  IF cardinality(ids) = 0 THEN RETURN; END IF;
  keys := ARRAY(
    SELECT key FROM postbox_inbox AS i,
      unnest(i.cancels || i.timer_keys || i.slot || CASE WHEN i.in_order THEN i.profile_key END) AS key
    WHERE i.id = ANY(ids) AND key IS NOT NULL);
  PERFORM postbox_lock(keys);
  now_ms := postbox_now(injected);
  FOR told IN SELECT * FROM postbox_inbox WHERE id = ANY(ids) ORDER BY id LOOP
    one := postbox_store(
      now_ms, told.queue_id, told.dedup_key, told.profile_key, told.payload, told.checksum,
      told.slot, told.as_of, told.debounce, told.cancels, told.effects_only, told.in_order,
      told.timer_delay, told.timer_keys, told.timer_queue_id, told.timer_dedup_key,
      told.timer_profile_key, told.timer_payload, told.timer_checksum);
    taken := taken + 1;
    stored := stored + one.stored;
    IF one.stored = 0 AND NOT told.effects_only THEN duplicates := duplicates + 1; END IF;
    purged := purged + one.purged;
    bytes := bytes + one.bytes;
    ends := ends + one.ends;
  END LOOP;
  DELETE FROM postbox_inbox WHERE id = ANY(ids);
END $$;

-- Makes events of timers that are due, at most `most`. One whose event somebody else has reported
-- goes.
CREATE FUNCTION postbox_fire(injected bigint, most integer, OUT looked_at integer,
                             OUT fired integer, OUT bytes bigint)
LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := postbox_now(injected);
  timer postbox_timer;
  new_id bigint;
BEGIN
  looked_at := 0; fired := 0; bytes := 0;
  FOR timer IN
    SELECT * FROM postbox_timer WHERE event_id = 0 AND due_at <= now_ms ORDER BY due_at LIMIT most
    FOR UPDATE SKIP LOCKED
  LOOP
    looked_at := looked_at + 1;
    INSERT INTO postbox_outbox(queue_id, created_at, dedup_key, profile_key, checksum, payload)
      VALUES (timer.queue_id, now_ms, timer.dedup_key, timer.profile_key, timer.checksum,
              timer.payload)
      ON CONFLICT (queue_id, dedup_key) DO NOTHING RETURNING id INTO new_id;
    IF FOUND THEN
      -- It stays, without its bytes, for as long as an end may take the event back.
      UPDATE postbox_timer SET event_id = new_id, due_at = now_ms + 3600000, payload = ''
        WHERE id = timer.id;
      fired := fired + 1;
    ELSE
      SELECT r.bytes INTO bytes FROM postbox_remove_timer(timer.id, 0, bytes) AS r;
    END IF;
  END LOOP;
END $$;

DO $$ BEGIN  -- it is called from other search paths
  EXECUTE format('ALTER FUNCTION postbox_put SET search_path = %I, pg_temp', current_schema());
END $$;

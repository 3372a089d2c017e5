-- What servers share of the vendor's limits, version 1. Only postbox_rate_take() changes it; a crash of the database
-- may take the last grants back, which then look like somebody else's requests.
--
-- postbox_rate: a lane of an account, and its steady window. number: of the window. Its end lies between end_from and
--   end_to; 0: no answer has said it yet. most: the limit that answers name, or 0. granted: requests that servers may
--   start in it, at last at granted_at. taken: of its limit, what others have used at least. early: granted so long
--   before its end that the vendor surely counts it there. blurred: what was not, of the window before.
--   watched_at: when an answer last told of others. others_before: their requests a second in the windows before.
--   company: for so many windows more others are expected. paced_to: until when even shares are granted.
-- postbox_rate_server: what a server may use of the burst until lease_until. What it has used counts for one burst
--   window more: share from lease_until on, recent from asked_at on. wanted: what it would use; 0: nothing waits there.

CREATE TABLE postbox_rate (
  rate          text   PRIMARY KEY,
  number        bigint NOT NULL DEFAULT 0,
  end_from      bigint NOT NULL DEFAULT 0,
  end_to        bigint NOT NULL DEFAULT 0,
  most          bigint NOT NULL DEFAULT 0,
  granted       bigint NOT NULL DEFAULT 0,
  granted_at    bigint NOT NULL DEFAULT 0,
  early         bigint NOT NULL DEFAULT 0,
  blurred       bigint NOT NULL DEFAULT 0,
  taken         bigint NOT NULL DEFAULT 0,
  watched_at    bigint NOT NULL DEFAULT 0,
  others_before double precision NOT NULL DEFAULT 0,
  company       bigint NOT NULL DEFAULT 0,
  paced_to      bigint NOT NULL DEFAULT 0,
  blocked_until bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE postbox_rate_server (
  rate        text   NOT NULL,
  server      bigint NOT NULL,
  asked_at    bigint NOT NULL,
  wanted      bigint NOT NULL,
  share       bigint NOT NULL,
  lease_until bigint NOT NULL,
  recent      bigint NOT NULL,
  granted     bigint NOT NULL,
  PRIMARY KEY (rate, server)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The others' requests a second that must be expected: those of this window and, as much as 30 seconds of it weigh,
-- those of the windows before.
CREATE FUNCTION postbox_rate_others(r postbox_rate, steady_ms bigint) RETURNS double precision
IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN r.taken <= r.blurred AND r.company = 0 THEN 0 ELSE
    (greatest(0, r.taken - r.blurred) + r.others_before * prior)
    / (greatest(0, r.watched_at - (r.end_from - steady_ms)) / 1000.0 + prior + 1) END
  FROM (SELECT CASE WHEN r.others_before > 0 THEN 30 ELSE 0 END AS prior) AS p
$$;

-- What servers still have in hand they start in the new window.
CREATE FUNCTION postbox_rate_begin(
  r postbox_rate, new_from bigint, new_to bigint, steady_ms bigint, now_ms bigint, asker bigint
) RETURNS postbox_rate STABLE LANGUAGE plpgsql AS $$
BEGIN
  r.others_before := CASE WHEN r.taken > r.blurred THEN postbox_rate_others(r, steady_ms) ELSE 0 END;
  r.company := CASE WHEN r.taken > r.blurred THEN 2 ELSE greatest(0, r.company - 1) END;
  r.blurred := CASE WHEN new_to - r.end_to > steady_ms THEN 0
                    ELSE greatest(0, r.granted - r.early) END;
  r.number := r.number + 1;
  r.end_from := new_from;
  r.end_to := new_to;
  r.granted := (SELECT coalesce(sum(s.granted), 0) FROM postbox_rate_server AS s
                WHERE s.rate = r.rate AND s.server <> asker AND s.lease_until > now_ms);
  r.early := 0;
  r.taken := 0;
  r.watched_at := new_to - steady_ms;
  RETURN r;
END $$;

-- An answer has said that of `most` requests `remaining` are left in the window that ends in between.
CREATE FUNCTION postbox_rate_seen(
  r postbox_rate, most bigint, remaining bigint, seen_from bigint, seen_to bigint,
  steady_ms bigint, now_ms bigint, asker bigint
) RETURNS postbox_rate STABLE LANGUAGE plpgsql AS $$
DECLARE
  next_from bigint := greatest(r.end_from + steady_ms, seen_from);
  next_to   bigint := least(r.end_to + steady_ms, seen_to);
BEGIN
  IF r.end_to = 0 THEN
    r.end_from := seen_from;
    r.end_to := seen_to;
    r.watched_at := now_ms;
  ELSIF seen_from > r.end_to THEN  -- it came earlier than was believed
    IF next_from > next_to THEN next_from := seen_from; next_to := seen_to; END IF;
    r := postbox_rate_begin(r, next_from, next_to, steady_ms, now_ms, asker);
  ELSIF greatest(r.end_from, seen_from) <= least(r.end_to, seen_to) THEN
    r.end_from := greatest(r.end_from, seen_from);
    r.end_to := least(r.end_to, seen_to);
  END IF;
  IF seen_to < r.end_from THEN RETURN r; END IF;  -- of the window before
  r.most := greatest(1, most);
  r.taken := greatest(r.taken, r.most - remaining - r.granted);
  r.watched_at := now_ms;
  RETURN r;
END $$;

-- Asks for requests of a lane, for `span_ms`, and tells what answers have said since.
--
-- The lane: its burst and steady windows and the part of them that may be used, in thousandths. The server: `wanted` of
-- the burst, 0: nothing; spread evenly over the window or not; requests that it has started within the last burst
-- window; what it has not used of earlier grants in the window `of_window` (negative: what it has started without). Of
-- answers, or null: the limit, what remains, and the end of the window, from now; for how long one refused all.
--
-- Returns how many may start, the first in `starts_in`, at most `share` in a burst window, `gap` apart if evenly; if
-- none, when to ask again. For `lease_ms`. `room`: what is left of the window; `shut`: for everybody, until `again`;
-- `spread`: evenly for everybody, since the limits are not ours alone.
CREATE FUNCTION postbox_rate_take(
  injected bigint, rate_name bytea, server_id bigint, lease_ms bigint,
  burst bigint, burst_ms bigint, steady bigint, steady_ms bigint, per_mille bigint,
  wanted bigint, span_ms bigint, evenly boolean, recent bigint, of_window bigint, unused bigint,
  seen_most bigint, seen_remaining bigint, seen_from bigint, seen_to bigint, refused_for bigint,
  OUT requests bigint, OUT share bigint, OUT starts_in bigint, OUT gap bigint, OUT again bigint,
  OUT room bigint, OUT most bigint, OUT ends_in bigint, OUT servers bigint, OUT win bigint,
  OUT shut boolean, OUT spread boolean
) LANGUAGE plpgsql AS $$
DECLARE
  name      text := convert_from(rate_name, 'UTF8');
  now_ms    bigint;
  r         postbox_rate;
  allowance bigint;
  all_burst bigint;
  others    double precision;
  hard_room bigint;
  later     bigint;
  peers     bigint;
  held      bigint;
  their_own bigint;
  paced     bigint;
BEGIN
  PERFORM set_config('lock_timeout', '1000', true);
  INSERT INTO postbox_rate(rate) VALUES (name) ON CONFLICT DO NOTHING;
  SELECT * INTO STRICT r FROM postbox_rate AS p WHERE p.rate = name FOR UPDATE;
  now_ms := postbox_now(injected);
  IF now_ms < r.granted_at - steady_ms OR r.end_to > now_ms + 2 * steady_ms THEN
    -- The database's clock was set back: what was known of the window is about another time.
    r.end_from := 0; r.end_to := 0; r.granted_at := now_ms; r.paced_to := 0;
    r.blocked_until := least(r.blocked_until, now_ms + steady_ms);
  END IF;
  IF r.end_to > 0 AND now_ms >= r.end_to THEN
    later := ((now_ms - r.end_to) / steady_ms + 1) * steady_ms;
    r := postbox_rate_begin(r, r.end_from + later, r.end_to + later, steady_ms, now_ms,
                             server_id);
  ELSIF r.end_to = 0 AND now_ms >= r.granted_at + steady_ms THEN
    r.granted := 0;
    r.number := r.number + 1;
  END IF;
  IF of_window = r.number THEN r.granted := greatest(0, r.granted - unused); END IF;
  IF seen_most IS NOT NULL THEN
    r := postbox_rate_seen(r, seen_most, seen_remaining, now_ms + seen_from, now_ms + seen_to,
                           steady_ms, now_ms, server_id);
  END IF;
  IF refused_for IS NOT NULL THEN
    r.blocked_until := greatest(r.blocked_until, now_ms + refused_for);
    r.company := 2;
    r.most := least(r.most, steady);
  END IF;

  most := CASE WHEN r.most > 0 THEN r.most ELSE steady END;
  allowance := greatest(1, most * per_mille / 1000);
  all_burst := greatest(1, burst * most / steady * per_mille / 1000);
  others := postbox_rate_others(r, steady_ms);
  hard_room := least(allowance - r.granted, most - r.granted - r.taken);
  room := least(hard_room, most - r.granted - r.taken
                - ceil(others * greatest(0, r.end_to - r.watched_at) / 1000)::bigint);
  ends_in := CASE WHEN r.end_to > 0 THEN r.end_to - now_ms END;
  later := coalesce(ends_in, r.granted_at + steady_ms - now_ms);
  gap := greatest(1, coalesce(ends_in, steady_ms) / (greatest(room, 0) + 1));
  requests := 0; share := 0; starts_in := 0;
  shut := now_ms < r.blocked_until;
  spread := others > 0 OR r.company > 0 OR burst * per_mille < 1000;

  DELETE FROM postbox_rate_server AS s WHERE s.rate = name AND abs(now_ms - s.asked_at) > 60000;
  SELECT count(*) + 1, count(*) FILTER (WHERE s.wanted > 0 AND now_ms - s.asked_at < 2000),
         coalesce(sum(s.wanted) FILTER (WHERE now_ms - s.asked_at < 2000), 0),
         coalesce(sum(greatest(CASE WHEN now_ms < s.asked_at + burst_ms THEN s.recent ELSE 0 END,
                               CASE WHEN now_ms < s.lease_until + burst_ms THEN s.share ELSE 0 END)), 0)
    INTO servers, peers, their_own, held
    FROM postbox_rate_server AS s WHERE s.rate = name AND s.server <> server_id;

  again := least(2000, span_ms * (1 + peers / 20));
  IF shut THEN
    again := r.blocked_until - now_ms;
    wanted := 0;
  ELSIF room <= 0 AND ends_in IS NOT NULL AND wanted > 0 AND hard_room > 0
        AND hard_room - others * (r.end_to - r.watched_at) / 2000 >= 3
        AND now_ms >= greatest(r.paced_to, r.watched_at + (r.end_to - r.watched_at) / 2) THEN
    -- The guess of what others need can be too large, and only an answer can show it.
    requests := 1;
    r.paced_to := now_ms + 2 * span_ms;
  ELSIF room <= 0 THEN
    again := later;
    IF ends_in IS NOT NULL AND hard_room > 0 THEN
      again := least(again, greatest(1000, r.watched_at + (r.end_to - r.watched_at) / 2 - now_ms));
    END IF;
    wanted := 0;
  ELSIF wanted > 0 THEN
    requests := CASE WHEN peers = 0 THEN room ELSE greatest(1, room / (2 * (peers + 1))) END;
  END IF;

  -- Of the burst: the fair part, and what nobody else wants. Where servers are more than that has requests, some wait.
  IF requests > 0 THEN
    share := least(wanted, all_burst - held,
                   greatest((all_burst + peers) / (peers + 1), all_burst - their_own));
    IF share < 1 OR random() * (peers + 1) > all_burst THEN share := 0; END IF;
    requests := least(requests, (share * span_ms + burst_ms - 1) / burst_ms);
  END IF;
  IF requests > 0 AND room > 0 AND (evenly OR spread) THEN
    paced := greatest(r.paced_to, now_ms - gap);
    requests := greatest(0, least(requests, (now_ms + span_ms - paced) / gap));
    IF requests = 0 THEN
      again := paced + gap - span_ms - now_ms;
    ELSE
      starts_in := greatest(0, paced + gap - now_ms);
      r.paced_to := paced + requests * gap;
    END IF;
  END IF;
  IF requests = 0 THEN share := 0; END IF;

  INSERT INTO postbox_rate_server AS s (rate, server, asked_at, wanted, share, lease_until, recent, granted)
    VALUES (name, server_id, now_ms, wanted, share, now_ms + lease_ms, recent, requests)
    ON CONFLICT ON CONSTRAINT postbox_rate_server_pkey DO UPDATE SET asked_at = excluded.asked_at,
      wanted = excluded.wanted, share = excluded.share, lease_until = excluded.lease_until,
      recent = excluded.recent, granted = excluded.granted;
  r.granted := r.granted + requests;
  IF now_ms < r.end_from - lease_ms THEN r.early := r.granted; END IF;
  IF requests > 0 THEN r.granted_at := now_ms; END IF;
  room := room - requests;
  win := r.number;
  UPDATE postbox_rate AS p SET number = r.number, end_from = r.end_from, end_to = r.end_to,
    most = r.most, granted = r.granted, granted_at = r.granted_at, early = r.early,
    blurred = r.blurred, taken = r.taken,
    watched_at = r.watched_at, others_before = r.others_before, company = r.company,
    paced_to = r.paced_to, blocked_until = r.blocked_until WHERE p.rate = name;
END $$;

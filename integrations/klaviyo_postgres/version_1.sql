-- What programs in any language tell, as JSON, version 1. A sender with klaviyo::ToldEvents makes events
-- of it, in one transaction for the row that goes and the events that come. docs/json.md has the form
-- of each body. A published version is never edited: a new one is a file of its own, and only adds.
--
-- postbox_told.told_at: milliseconds since 1970. problem: why no event can be made of the row, which
--   stays for its operator; it names members and rules, and no value. noted: the log of a server has
--   the problem.

CREATE TABLE postbox_told_meta (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO postbox_told_meta(name, value) VALUES ('version', 1), ('oldest_library', 1);

CREATE TABLE postbox_told (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  told_at bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
  event   text   NOT NULL,
  body    text   NOT NULL,
  problem text,
  noted   boolean NOT NULL DEFAULT false
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX postbox_told_new ON postbox_told(id) WHERE problem IS NULL OR NOT noted;
CREATE INDEX postbox_told_age ON postbox_told(told_at) WHERE problem IS NOT NULL;

-- The events that can be told, and what their bodies are.
CREATE FUNCTION postbox_told_events() RETURNS TABLE(event text, shape text)
IMMUTABLE LANGUAGE sql AS $$
  VALUES ('order_placed', 'order'), ('order_fulfilled', 'order'), ('order_cancelled', 'order'),
         ('order_refunded', 'order'), ('cart_updated', 'cart'), ('checkout_started', 'cart'),
         ('subscription_started', 'subscription'), ('subscription_renewed', 'subscription'),
         ('subscription_cancelled', 'subscription'), ('subscription_ended', 'subscription'),
         ('subscription_reactivated', 'subscription'), ('subscription_paused', 'subscription'),
         ('subscription_resumed', 'subscription'),
         ('subscription_trial_started', 'subscription'),
         ('subscription_trial_ending', 'subscription'), ('identify', 'profile'),
         ('product_viewed', 'product_view'), ('custom_event', 'custom_event'),
         ('consent', 'consent')
$$;

-- The members that a body must have, or that must be of a type where they are there. A type that is
-- the name of a shape is an object of it; "lines" is a list of objects.
CREATE FUNCTION postbox_told_rules() RETURNS TABLE(
  shape text, member text, type text, is_required boolean) IMMUTABLE LANGUAGE sql AS $$
  VALUES ('order', 'order_id', 'text', true), ('order', 'cart_id', 'text', false),
         ('order', 'placed_at', 'time', false), ('order', 'currency', 'currency', true),
         ('order', 'customer', 'profile', true), ('order', 'items', 'lines', true),
         ('order', 'lines_unknown', 'boolean', false), ('order', 'discount', 'object', false),
         ('order', 'shipping', 'amount', false), ('order', 'tax', 'amount', false),
         ('order', 'total', 'amount', false), ('order', 'billing_address', 'object', false),
         ('order', 'shipping_address', 'object', false), ('order', 'unique_id', 'text', false),
         ('order', 'properties', 'object', false),
         ('cart', 'cart_id', 'text', true), ('cart', 'user_id', 'text', false),
         ('cart', 'currency', 'currency', false), ('cart', 'items', 'lines', true),
         ('cart', 'total', 'amount', false), ('cart', 'updated_at', 'time', false),
         ('cart', 'version', 'integer', false), ('cart', 'checkout_url', 'text', false),
         ('cart', 'unique_id', 'text', false), ('cart', 'customer', 'profile', true),
         ('cart', 'properties', 'object', false),
         ('line', 'product_id', 'text', true), ('line', 'name', 'text', true),
         ('line', 'line_id', 'text', false), ('line', 'sku', 'text', false),
         ('line', 'quantity', 'count', true), ('line', 'unit_price', 'amount', true),
         ('line', 'row_total', 'amount', false), ('line', 'url', 'text', false),
         ('line', 'image_url', 'text', false), ('line', 'brand', 'text', false),
         ('line', 'categories', 'array', false), ('line', 'price_id', 'text', false),
         ('line', 'proration', 'boolean', false),
         ('subscription', 'subscription_id', 'text', true),
         ('subscription', 'plan_id', 'text', false), ('subscription', 'plan_name', 'text', false),
         ('subscription', 'product_id', 'text', false),
         ('subscription', 'currency', 'currency', true),
         ('subscription', 'amount', 'integer', true), ('subscription', 'metered', 'boolean', false),
         ('subscription', 'exact_price', 'number', false),
         ('subscription', 'interval', 'text', false),
         ('subscription', 'interval_count', 'count', false),
         ('subscription', 'quantity', 'count', false), ('subscription', 'status', 'text', false),
         ('subscription', 'started_at', 'time', false),
         ('subscription', 'current_period_end', 'time', false),
         ('subscription', 'trial_end', 'time', false),
         ('subscription', 'occurred_at', 'time', false),
         ('subscription', 'cart_id', 'text', false), ('subscription', 'user_id', 'text', false),
         ('subscription', 'unique_id', 'text', false),
         ('subscription', 'customer', 'profile', true),
         ('subscription', 'properties', 'object', false),
         ('profile', 'email', 'text', false), ('profile', 'phone', 'text', false),
         ('profile', 'external_id', 'text', false), ('profile', 'anonymous_id', 'text', false),
         ('profile', 'kx', 'text', false), ('profile', 'first_name', 'text', false),
         ('profile', 'last_name', 'text', false), ('profile', 'organization', 'text', false),
         ('profile', 'title', 'text', false), ('profile', 'image', 'text', false),
         ('profile', 'locale', 'text', false), ('profile', 'location', 'object', false),
         ('profile', 'properties', 'object', false), ('profile', 'unset', 'array', false),
         ('product_view', 'product_id', 'text', true), ('product_view', 'name', 'text', true),
         ('product_view', 'sku', 'text', false), ('product_view', 'url', 'text', false),
         ('product_view', 'image_url', 'text', false), ('product_view', 'brand', 'text', false),
         ('product_view', 'categories', 'array', false),
         ('product_view', 'currency', 'currency', false),
         ('product_view', 'price', 'amount', false),
         ('product_view', 'compare_at_price', 'amount', false),
         ('product_view', 'occurred_at', 'time', false),
         ('product_view', 'unique_id', 'text', false),
         ('product_view', 'customer', 'profile', true),
         ('product_view', 'properties', 'object', false),
         ('custom_event', 'name', 'text', true),
         ('custom_event', 'currency', 'currency', false),
         ('custom_event', 'value', 'integer', false),
         ('custom_event', 'occurred_at', 'time', false),
         ('custom_event', 'unique_id', 'text', false),
         ('custom_event', 'customer', 'profile', true),
         ('custom_event', 'properties', 'object', false),
         ('consent', 'action', 'action', true), ('consent', 'email', 'text', false),
         ('consent', 'phone', 'text', false), ('consent', 'channels', 'array', false),
         ('consent', 'list', 'text', false), ('consent', 'consented_at', 'time', false),
         ('consent', 'custom_source', 'text', false)
$$;

-- What a value of `type` must be; null when it is. Never the value: it may be somebody's address.
CREATE FUNCTION postbox_told_value_problem(type text, value jsonb) RETURNS text
IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE
    WHEN type IN ('text', 'currency', 'time', 'action') THEN
      CASE WHEN jsonb_typeof(value) <> 'string' THEN 'must be a string, found ' || jsonb_typeof(value)
        WHEN type = 'currency' AND upper(btrim(value #>> '{}')) !~ '^[A-Z]{3}$'
          THEN 'must be a currency by ISO 4217, such as EUR'
        WHEN type = 'time' AND value #>> '{}' !~* '^\d{4}-\d\d-\d\d[t ]\d\d:\d\d'
          THEN 'must be an RFC 3339 time such as 2026-11-22T10:00:00Z'
        WHEN type = 'action' AND value #>> '{}' NOT IN ('subscribe', 'unsubscribe')
          THEN 'must be subscribe or unsubscribe' END
    WHEN type = 'number' THEN
      CASE WHEN jsonb_typeof(value) <> 'number' THEN 'must be a number, found ' || jsonb_typeof(value) END
    WHEN type IN ('integer', 'amount', 'count') THEN
      CASE WHEN jsonb_typeof(value) <> 'number' THEN 'must be an integer, found ' || jsonb_typeof(value)
        WHEN value #>> '{}' !~ '^-?\d{1,19}$'
          THEN 'must be an integer of at most 64 bits, without a decimal point or exponent'
        WHEN type = 'amount' AND (value #>> '{}')::numeric < 0 THEN 'must be at least 0'
        WHEN type = 'count' AND (value #>> '{}')::numeric < 1 THEN 'must be at least 1' END
    WHEN jsonb_typeof(value) <> CASE type WHEN 'boolean' THEN type WHEN 'array' THEN type
                                  WHEN 'lines' THEN 'array' ELSE 'object' END
      THEN 'must be ' || CASE WHEN type = 'boolean' THEN 'true or false'
                           WHEN type IN ('array', 'lines') THEN 'a list' ELSE 'an object' END
        || ', found ' || jsonb_typeof(value)
  END
$$;

-- All that is wrong with an object of `shape` at `path`, a line each.
CREATE FUNCTION postbox_told_problems(shape text, object jsonb, path text) RETURNS SETOF text
IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
  of_shape text := shape;
  rule record;
  value jsonb;
  place text;
  found_problem text;
  line record;
BEGIN
  FOR rule IN SELECT * FROM postbox_told_rules() AS rules WHERE rules.shape = of_shape LOOP
    value := nullif(object -> rule.member, 'null');
    place := path || rule.member;
    -- An empty text says nothing, and one amount may stand for another.
    IF value IS NULL OR (value = '""' AND rule.type IN ('text', 'currency', 'time', 'action')) THEN
      IF rule.is_required AND NOT (rule.type = 'action' AND value IS NOT NULL)
        AND NOT (rule.member = 'items' AND of_shape = 'order'
                 AND coalesce(object -> 'lines_unknown' = 'true', false))
        AND NOT (rule.member = 'unit_price' AND coalesce(object -> 'row_total', 'null') <> 'null')
        AND NOT (rule.member = 'amount' AND (coalesce(object -> 'metered' = 'true', false)
                                     OR coalesce(object -> 'exact_price', 'null') <> 'null'))
      THEN
        RETURN NEXT place || ' is required';
      END IF;
      CONTINUE;
    END IF;
    found_problem := postbox_told_value_problem(rule.type, value);
    IF found_problem IS NOT NULL THEN
      RETURN NEXT place || ' ' || found_problem;
    ELSIF rule.type = 'profile' THEN
      RETURN QUERY SELECT postbox_told_problems('profile', value, place || '.');
    ELSIF rule.type = 'lines' THEN
      IF of_shape = 'order' AND jsonb_array_length(value) = 0
        AND coalesce(object -> 'lines_unknown' <> 'true', true) THEN
        RETURN NEXT place || ' must have at least one line';
      END IF;
      FOR line IN SELECT * FROM jsonb_array_elements(value) WITH ORDINALITY AS lines(value, number) LOOP
        place := path || rule.member || '[' || line.number - 1 || ']';
        IF jsonb_typeof(line.value) <> 'object' THEN
          RETURN NEXT place || ' must be an object, found ' || jsonb_typeof(line.value);
        ELSE
          RETURN QUERY SELECT postbox_told_problems('line', line.value, place || '.');
        END IF;
      END LOOP;
    END IF;
  END LOOP;
  IF of_shape IN ('profile', 'consent') AND NOT EXISTS (
    SELECT FROM unnest(ARRAY['email', 'phone', 'external_id', 'anonymous_id', 'kx']) AS name
    WHERE coalesce(object ->> name, '') <> ''
      AND (of_shape = 'profile' OR name IN ('email', 'phone')))
  THEN
    RETURN NEXT CASE WHEN path = '' THEN 'body' ELSE rtrim(path, '.') END || ' must have one of '
      || CASE of_shape WHEN 'consent' THEN 'email, phone'
           ELSE 'email, phone, external_id, anonymous_id, kx' END;
  END IF;
END $$;

-- What is wrong with an event that is told, before any server has seen it; null when nothing is.
CREATE FUNCTION postbox_told_problem(event text, body text) RETURNS text
IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
  told text := event;
  of_shape text := (SELECT known.shape FROM postbox_told_events() AS known WHERE known.event = told);
  object jsonb;
BEGIN
  IF of_shape IS NULL THEN
    RETURN 'event is not known; accepted are '
      || (SELECT string_agg(known.event, ', ') FROM postbox_told_events() AS known);
  END IF;
  IF octet_length(body) > 5000000 THEN
    RETURN 'body must have at most 5000000 bytes, found ' || octet_length(body);
  END IF;
  BEGIN
    PERFORM body::json;
  EXCEPTION WHEN OTHERS THEN
    RETURN 'body must be JSON';
  END;
  BEGIN
    object := body::jsonb;
  EXCEPTION WHEN OTHERS THEN
    RETURN NULL;  -- a NUL, half a character: what can be mended is mended by whoever takes it in
  END;
  IF jsonb_typeof(object) <> 'object' THEN
    RETURN 'body must be a JSON object, found ' || jsonb_typeof(object);
  END IF;
  RETURN (SELECT string_agg(each, '; ') FROM postbox_told_problems(of_shape, object, '') AS each);
END $$;

-- Tell an event inside your own transaction, in any language:
--
--   SELECT postbox_tell('order_placed', $1)   -- $1: the order as JSON text
--
-- Null: once the transaction is committed the event will be delivered, and if it is rolled back it
-- has never been. Otherwise the text says what is wrong with it, and the row is kept with that: the
-- order, which counts all the same, need not fail. It never raises an error of its own, waits for no
-- other transaction, and none waits for it.
CREATE FUNCTION postbox_tell(event text, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  told text := coalesce(event, '');
  json text := coalesce(body, '');
  found_problem text := postbox_told_problem(told, json);
BEGIN
  INSERT INTO postbox_told(event, body, problem) VALUES (told, json, found_problem);
  RETURN found_problem;
END $$;

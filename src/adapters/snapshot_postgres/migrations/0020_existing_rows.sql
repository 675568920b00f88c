-- Rows that others wrote: each that no run knows gets one, beside running workers.
--
-- These functions run with their caller's rights, which are those of the tables' owner. A row's run
-- has sequence 0 and ends where it starts, and no position (0019): nobody is told of it. See
-- docs/adr/0028.

-- Whose rows stay without runs, and which of them: those made by the time when the tenant's timelines
-- were erased. Their key is gone; a run would make a text that comes again *unchanged*.
CREATE TABLE snapshot_ingest.shredded_tenants (
    tenant_id  uuid PRIMARY KEY,
    erased_at  timestamptz NOT NULL
);

-- Every time that all rows were gone through.
CREATE TABLE snapshot_ingest.backfills (
    finished_at  timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    rows         bigint NOT NULL
);

-- What a row becomes.
CREATE TYPE snapshot_ingest.existing_row AS (
    item integer, snapshot_id uuid, device_id uuid, tenant_id uuid, digest bytea,
    collected_at timestamptz, plaintext_bytes integer, stored_bytes integer, format text,
    flags smallint);

-- The name of the format, read from the text's own prefix. Only its first bytes are read.
CREATE FUNCTION snapshot_ingest.format_of(ciphertext text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE substring(left(ciphertext, 8) FROM '^(vault|si1z|si1e):')
        WHEN 'vault' THEN 'transit'
        WHEN 'si1z' THEN 'compressed'
        WHEN 'si1e' THEN 'envelope'
        ELSE 'unknown'
    END
$$;

-- How long the plaintext is that Transit encrypted: base64 without a nonce of 12 bytes and a tag of
-- 16. 0 where the text is another than Transit's alone, and does not say it.
CREATE FUNCTION snapshot_ingest.transit_plaintext_bytes(ciphertext text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(greatest(
        (octet_length(ciphertext)
            - octet_length(substring(left(ciphertext, 32) FROM '^vault:v[0-9]+:'))) / 4 * 3
        - CASE WHEN ciphertext LIKE '%==' THEN 2 WHEN ciphertext LIKE '%=' THEN 1 ELSE 0 END
        - 28, 0), 0)
$$;

-- The digest that a row claims for its text. Where that is no SHA-256 the row gets one that no text
-- has: its own.
CREATE FUNCTION snapshot_ingest.claimed_digest(row_id uuid, hash text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN hash ~ '^[0-9a-fA-F]{64}$'
        THEN decode(hash, 'hex')
        ELSE sha256(convert_to('snapshot_ingest row without a digest ' || row_id, 'UTF8'))
    END
$$;

-- What the catalogue believes to be the number of all rows; null where it knows nothing. It keeps 0
-- from when the table was analysed empty, and PostgreSQL 13 keeps that for one that never was.
CREATE FUNCTION snapshot_ingest.estimated_rows() RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        nullif(greatest(c.reltuples, 0)::bigint, 0), nullif(pg_stat_get_live_tuples(c.oid), 0))
    FROM pg_catalog.pg_class AS c WHERE c.oid = 'public.router_config_snapshots'::regclass
$$;

CREATE FUNCTION snapshot_ingest.all_tenants() RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN QUERY SELECT t.id FROM public.tenants AS t ORDER BY t.id;
END
$$;

-- Whether a device of a tenant that can be seen has a row of that tenant that can be seen. By the
-- index on devices, and it ends with the first one.
CREATE FUNCTION snapshot_ingest.owned_row_seen() RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    devices uuid[];
    owners uuid[];
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    -- All of them before the tenant is set, which would hide the others.
    SELECT array_agg(d.id), array_agg(d.tenant_id) INTO devices, owners
    FROM public.devices AS d JOIN public.tenants AS t ON t.id = d.tenant_id;
    FOR n IN 1 .. coalesce(cardinality(devices), 0) LOOP
        PERFORM set_config('app.current_tenant', owners[n]::text, true);
        IF EXISTS (
            SELECT FROM public.router_config_snapshots AS r
            WHERE r.device_id = devices[n] AND r.tenant_id = owners[n])
        THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

-- Whether no row of any tenant can be seen although the catalogue's estimate says that there are some.
-- For a tenant without rows that takes a look at the whole table, so it comes last.
CREATE FUNCTION snapshot_ingest.rows_hidden() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenants uuid[] := ARRAY(SELECT snapshot_ingest.all_tenants());
    tenant uuid;
BEGIN
    IF snapshot_ingest.estimated_rows() IS NULL OR snapshot_ingest.owned_row_seen() THEN
        RETURN false;
    END IF;
    FOREACH tenant IN ARRAY tenants LOOP
        PERFORM set_config('app.current_tenant', tenant::text, true);
        IF EXISTS (SELECT FROM public.router_config_snapshots) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;

-- The next devices, in the order of their ids, with their owners.
CREATE FUNCTION snapshot_ingest.devices_after(after uuid, at_most integer)
RETURNS TABLE (device uuid, owner uuid)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN QUERY
        SELECT d.id, d.tenant_id FROM public.devices AS d
        WHERE d.id > after ORDER BY d.id LIMIT at_most;
END
$$;

-- How many rows the tenant has, and the devices of those among them that no run knows. One look at
-- the whole table, which has no index on tenants. With a null for the tenant that of all tenants,
-- for a role that row-level security does not hold.
CREATE FUNCTION snapshot_ingest.devices_of_unknown_rows(
    tenant uuid, OUT rows bigint, OUT devices uuid[], OUT tenants uuid[])
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', coalesce(tenant::text, ''), true);
    SELECT coalesce(sum(d.rows), 0),
        coalesce(array_agg(d.device_id) FILTER (WHERE d.unknown > 0), '{}'),
        coalesce(array_agg(d.tenant_id) FILTER (WHERE d.unknown > 0), '{}')
    INTO devices_of_unknown_rows.rows, devices, tenants
    FROM (
        SELECT r.device_id, r.tenant_id, count(*) AS rows, count(*) FILTER (
            WHERE run.snapshot_id IS NULL
                AND coalesce(r.created_at > shredded.erased_at, true)) AS unknown
        FROM public.router_config_snapshots AS r
        LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = r.id
        LEFT JOIN snapshot_ingest.shredded_tenants AS shredded ON shredded.tenant_id = r.tenant_id
        WHERE tenant IS NULL OR r.tenant_id = tenant
        GROUP BY 1, 2
    ) AS d;
END
$$;

-- Up to `at_most` rows that no run knows, each of one of these devices and of the tenant at the
-- device's place; of the first devices first, and of a device the newest first, which is what is
-- compared with. It also makes the fewest copies, and the same ones whatever a batch holds. A time
-- that is further ahead of the row's making than `max_ahead` is taken for that: a clock was wrong
-- (rule 5 of the timeline).
CREATE FUNCTION snapshot_ingest.unknown_rows(
    devices uuid[], tenants uuid[], at_most integer, max_ahead interval)
RETURNS SETOF snapshot_ingest.existing_row
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    wanted integer := at_most;
    found_here integer;
BEGIN
    FOR n IN 1 .. cardinality(devices) LOOP
        PERFORM set_config('app.current_tenant', tenants[n]::text, true);
        RETURN QUERY
            SELECT n, r.id, r.device_id, r.tenant_id,
                snapshot_ingest.claimed_digest(r.id, r.sha256_hash),
                CASE WHEN r.collected_at > r.created_at + max_ahead
                    THEN r.created_at ELSE r.collected_at END,
                snapshot_ingest.transit_plaintext_bytes(r.config_text),
                octet_length(r.config_text), snapshot_ingest.format_of(r.config_text),
                (CASE WHEN r.collected_at > r.created_at + max_ahead THEN 1 ELSE 0 END
                    + CASE WHEN r.sha256_hash ~ '^[0-9a-fA-F]{64}$' THEN 0 ELSE 2 END)::smallint
            FROM public.router_config_snapshots AS r
            WHERE r.device_id = devices[n] AND r.tenant_id = tenants[n]
                AND NOT EXISTS (
                    SELECT FROM snapshot_ingest.snapshots AS run WHERE run.snapshot_id = r.id)
                AND NOT EXISTS (
                    SELECT FROM snapshot_ingest.shredded_tenants AS shredded
                    WHERE shredded.tenant_id = r.tenant_id AND r.created_at <= shredded.erased_at)
            ORDER BY r.collected_at DESC, r.id DESC
            LIMIT wanted;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        wanted := wanted - found_here;
        EXIT WHEN wanted = 0;
    END LOOP;
END
$$;

-- Those of these rows that still exist and that still no run knows. The heads are locked before.
CREATE FUNCTION snapshot_ingest.still_unknown(rows snapshot_ingest.existing_row[])
RETURNS SETOF snapshot_ingest.existing_row
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    tenant uuid;
BEGIN
    FOR tenant IN SELECT DISTINCT e.tenant_id FROM unnest(rows) AS e LOOP
        PERFORM set_config('app.current_tenant', tenant::text, true);
        RETURN QUERY
            SELECT e.* FROM unnest(rows) AS e
            JOIN public.router_config_snapshots AS r ON r.id = e.snapshot_id
            WHERE e.tenant_id = tenant
                AND NOT EXISTS (
                    SELECT FROM snapshot_ingest.snapshots AS run
                    WHERE run.snapshot_id = e.snapshot_id);
    END LOOP;
END
$$;

-- The run that the row lies inside of: the last one at or before it, if that ends after it.
CREATE FUNCTION snapshot_ingest.run_around(existing snapshot_ingest.existing_row)
RETURNS snapshot_ingest.snapshots
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    previous snapshot_ingest.snapshots;
BEGIN
    SELECT run.* INTO previous
    FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = existing.device_id
        AND (run.collected_at, run.sequence) <= (existing.collected_at, 0)
        AND (run.collected_at, run.sequence, run.snapshot_id)
            < (existing.collected_at, 0, existing.snapshot_id)
    ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
    LIMIT 1;
    IF (previous.last_seen, previous.last_seen_sequence) > (existing.collected_at, 0) THEN
        RETURN previous;
    END IF;
    RETURN NULL;
END
$$;

-- Makes place for a row inside a run: returns the end of the row's own run.
--
-- If both have one text, the run ends at its start and the row's goes on to where it ended: side by
-- side they say the same. If not, the row is a late arrival that splits the run.
CREATE FUNCTION snapshot_ingest.make_place(existing snapshot_ingest.existing_row,
    OUT last_seen timestamptz, OUT last_seen_sequence bigint, OUT copied boolean)
LANGUAGE plpgsql AS $$
DECLARE
    around snapshot_ingest.snapshots := snapshot_ingest.run_around(existing);
BEGIN
    last_seen := existing.collected_at;
    last_seen_sequence := 0;
    copied := false;
    IF around.snapshot_id IS NULL THEN
        RETURN;
    END IF;
    IF around.digest = existing.digest AND around.tenant_id = existing.tenant_id THEN
        last_seen := around.last_seen;
        last_seen_sequence := around.last_seen_sequence;
        UPDATE snapshot_ingest.snapshots AS run
        SET last_seen = run.collected_at, last_seen_sequence = run.sequence
        WHERE run.snapshot_id = around.snapshot_id;
        RETURN;
    END IF;
    copied := snapshot_ingest.split_run(around) IS NOT NULL;
END
$$;

-- Gives runs to up to `at_most` rows that no run knows, of these devices and of the tenant at each
-- device's place, and moves the heads to the newest. In one transaction, which locks the heads of
-- the devices concerned as a worker does.
--
-- `looked_at` is `at_most` if there may be more: call it again with the devices from `last_item` on.
CREATE FUNCTION snapshot_ingest.add_unknown_rows(
    devices uuid[], tenants uuid[], at_most integer, max_ahead interval,
    OUT looked_at integer, OUT last_item integer, OUT added integer, OUT copies integer,
    OUT heads integer)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    rows snapshot_ingest.existing_row[];
    existing snapshot_ingest.existing_row;
    place record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'rows are added in a transaction that is READ COMMITTED'
            USING ERRCODE = 'SI004';
    END IF;
    PERFORM set_config('lock_timeout', '5s', true);
    -- A tenant is shredded either before this looks, or after what it adds can be erased.
    LOCK TABLE snapshot_ingest.shredded_tenants IN SHARE MODE;
    -- The texts are read before any device is locked.
    rows := ARRAY(
        SELECT e FROM snapshot_ingest.unknown_rows(devices, tenants, at_most, max_ahead) AS e);
    looked_at := cardinality(rows);
    added := 0; copies := 0; heads := 0; last_item := 0;
    IF looked_at = 0 THEN
        RETURN;
    END IF;
    last_item := rows[looked_at].item;

    PERFORM snapshot_ingest.lock_heads(ARRAY(SELECT e.device_id FROM unnest(rows) AS e));
    rows := ARRAY(SELECT e FROM snapshot_ingest.still_unknown(rows) AS e);
    added := cardinality(rows);

    -- Few lie inside a run: only one of ours can have an end that moved.
    FOR existing IN
        SELECT e.* FROM unnest(rows) AS e
        WHERE (snapshot_ingest.run_around(e)).snapshot_id IS NOT NULL
        ORDER BY e.device_id, e.collected_at DESC, e.snapshot_id DESC
    LOOP
        place := snapshot_ingest.make_place(existing);
        copies := copies + place.copied::integer;
        INSERT INTO snapshot_ingest.snapshots
            (snapshot_id, device_id, tenant_id, digest, collected_at, sequence,
             last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags, stored_in)
        VALUES (existing.snapshot_id, existing.device_id, existing.tenant_id, existing.digest,
            existing.collected_at, 0, place.last_seen, place.last_seen_sequence,
            existing.plaintext_bytes, existing.stored_bytes, existing.format, existing.flags,
            NULL);
    END LOOP;
    INSERT INTO snapshot_ingest.snapshots
        (snapshot_id, device_id, tenant_id, digest, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags, stored_in)
    SELECT e.snapshot_id, e.device_id, e.tenant_id, e.digest, e.collected_at, 0,
        e.collected_at, 0, e.plaintext_bytes, e.stored_bytes, e.format, e.flags, NULL
    FROM unnest(rows) AS e
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.snapshots AS run WHERE run.snapshot_id = e.snapshot_id);

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = newest.snapshot_id, tenant_id = newest.tenant_id, digest = newest.digest,
        digest_key = NULL, collected_at = newest.collected_at, sequence = 0
    FROM (
        SELECT DISTINCT ON (e.device_id) e.*
        FROM unnest(rows) AS e
        ORDER BY e.device_id, e.collected_at DESC, e.snapshot_id DESC
    ) AS newest
    WHERE head.device_id = newest.device_id
        AND (head.snapshot_id IS NULL OR (head.collected_at, head.sequence, head.snapshot_id)
            < (newest.collected_at, 0, newest.snapshot_id));
    GET DIAGNOSTICS heads = ROW_COUNT;
END
$$;

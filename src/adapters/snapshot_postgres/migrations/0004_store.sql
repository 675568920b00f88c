-- Storing: every snapshot of a batch is decided under its device's lock, in one transaction.
--
-- `store_batch` is the one that is called, in a transaction at READ COMMITTED. There each
-- statement of a volatile function sees what was committed when that statement began; so the
-- heads are locked by one statement, and runs and rows are read only by later ones, which see
-- what the lock was waited for.
--
-- Row-level security shows and takes rows of one tenant at a time: that of `app.current_tenant`,
-- which every function sets, until the transaction ends, before it touches a row.
--
-- A batch is passed as arrays, one element an item; `n` is always an item's place in them.
-- Ciphertexts are never unnested: a batch is megabytes of them, and each is copied once, into
-- its row.

-- What became of an item. `answer` is one of stored, unchanged, already_stored, orphan,
-- needs_ciphertext; the ids are there when it is stored: its row, the run before, the run after.
CREATE TYPE snapshot_ingest.store_answer AS (
    item integer, answer text, snapshot_id uuid, previous_id uuid, next_id uuid);

-- The items whose device exists and is their tenant's.
CREATE FUNCTION snapshot_ingest.owned_items(devices uuid[], tenants uuid[]) RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN ARRAY(
        SELECT n
        FROM generate_subscripts(devices, 1) AS n
        JOIN public.devices AS d ON d.id = devices[n] AND d.tenant_id = tenants[n]);
END
$$;

-- Gives each device a head and locks it until the transaction ends. Always in the order of the
-- devices, for new heads and then for all, so that no two workers wait for each other.
CREATE FUNCTION snapshot_ingest.lock_heads(devices uuid[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    locked integer;
BEGIN
    -- Nobody waits for ever, and a worker that hangs does not hold the heads for ever.
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM set_config('idle_in_transaction_session_timeout', '30s', true);

    INSERT INTO snapshot_ingest.heads (device_id)
    SELECT DISTINCT wanted.device
    FROM unnest(devices) AS wanted (device)
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.heads AS head WHERE head.device_id = wanted.device)
    ORDER BY wanted.device
    ON CONFLICT DO NOTHING;

    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (devices)
    ORDER BY head.device_id
    FOR UPDATE;

    -- Somebody may have deleted a head in between (a tenant is shredded): then all is done anew.
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < (SELECT count(DISTINCT wanted.device) FROM unnest(devices) AS wanted (device)) THEN
        RAISE EXCEPTION 'a head was deleted while it was waited for'
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

-- Of one tenant's items, those whose device's newest run has their digest and their tenant, and
-- still has its row. Sees the rows of that tenant from now on.
CREATE FUNCTION snapshot_ingest.still_there(
    items integer[], tenant uuid, devices uuid[], digests bytea[])
RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN ARRAY(
        SELECT n
        FROM unnest(items) AS n
        JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
        JOIN public.router_config_snapshots AS r ON r.id = head.snapshot_id
        WHERE head.digest = digests[n] AND head.tenant_id = tenant);
END
$$;

-- The common case, for many items at once: each is the only one of its device in the batch and
-- lies after the end of the device's newest run. Rows are looked for and inserted tenant by
-- tenant, as row-level security demands; the rest is done for all tenants together.
CREATE FUNCTION snapshot_ingest.store_newest(
    items integer[], devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
DECLARE
    new_ids uuid[] := ARRAY(SELECT gen_random_uuid() FROM unnest(devices));
    unchanged integer[] := '{}';
    stored integer[] := '{}';
    tenant uuid;
    of_tenant integer[];
    unchanged_of_tenant integer[];
    stored_of_tenant integer[];
BEGIN
    FOR tenant, of_tenant IN
        SELECT tenants[n], array_agg(n) FROM unnest(items) AS n GROUP BY 1
    LOOP
        unchanged_of_tenant := snapshot_ingest.still_there(of_tenant, tenant, devices, digests);
        stored_of_tenant := ARRAY(
            SELECT n FROM unnest(of_tenant) AS n
            WHERE ciphertexts[n] IS NOT NULL AND n <> ALL (unchanged_of_tenant));
        IF stored_of_tenant <> '{}' THEN
            INSERT INTO public.router_config_snapshots
                (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
            SELECT new_ids[n], devices[n], tenant, ciphertexts[n],
                encode(digests[n], 'hex'), times[n]
            FROM unnest(stored_of_tenant) AS n;
        END IF;
        unchanged := unchanged || unchanged_of_tenant;
        stored := stored || stored_of_tenant;
    END LOOP;

    -- Answered before the heads move: they still point at the runs before.
    RETURN QUERY
        SELECT n, 'stored', new_ids[n], head.snapshot_id, NULL::uuid
        FROM unnest(stored) AS n
        JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n];
    RETURN QUERY
        SELECT n, 'unchanged', NULL::uuid, NULL::uuid, NULL::uuid FROM unnest(unchanged) AS n;
    RETURN QUERY
        SELECT n, 'needs_ciphertext', NULL::uuid, NULL::uuid, NULL::uuid
        FROM (SELECT unnest(items) EXCEPT SELECT unnest(stored || unchanged)) AS rest (n);

    INSERT INTO snapshot_ingest.snapshots
        (snapshot_id, device_id, tenant_id, digest, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    SELECT new_ids[n], devices[n], tenants[n], digests[n], times[n], sequences[n],
        times[n], sequences[n], sizes[n], octet_length(ciphertexts[n]), formats[n], marks[n]
    FROM unnest(stored) AS n;

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = new_ids[n], tenant_id = tenants[n], digest = digests[n],
        collected_at = times[n], sequence = sequences[n]
    FROM unnest(stored) AS n
    WHERE head.device_id = devices[n];

    UPDATE snapshot_ingest.snapshots AS run
    SET last_seen = times[n], last_seen_sequence = sequences[n]
    FROM unnest(unchanged) AS n
    JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
    WHERE run.snapshot_id = head.snapshot_id;
END
$$;

-- Adds a row and its run, which ends where it starts; the head moves if this is the newest.
CREATE FUNCTION snapshot_ingest.add_run(
    device uuid, tenant uuid, at timestamptz, at_sequence bigint, text_digest bytea,
    ciphertext text, ciphertext_format text, size integer, marks smallint)
RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    new_id uuid := gen_random_uuid();
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    INSERT INTO public.router_config_snapshots
        (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
    VALUES (new_id, device, tenant, ciphertext, encode(text_digest, 'hex'), at);

    INSERT INTO snapshot_ingest.snapshots
        (snapshot_id, device_id, tenant_id, digest, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    VALUES (new_id, device, tenant, text_digest, at, at_sequence,
        at, at_sequence, size, octet_length(ciphertext), ciphertext_format, marks);

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = new_id, tenant_id = tenant, digest = text_digest,
        collected_at = at, sequence = at_sequence
    WHERE head.device_id = device
        AND (head.snapshot_id IS NULL
            OR (head.collected_at, head.sequence, head.snapshot_id) < (at, at_sequence, new_id));
    RETURN new_id;
END
$$;

-- A late snapshot fell inside this run: the run ends at its start, the last time that is now
-- known for it, and its text comes back in a copy that starts where the run ended. Without a
-- row there is nothing to copy. Returns the copy's id, or null.
CREATE FUNCTION snapshot_ingest.split_run(run snapshot_ingest.snapshots) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    copied_text text;
BEGIN
    UPDATE snapshot_ingest.snapshots AS s
    SET last_seen = s.collected_at, last_seen_sequence = s.sequence
    WHERE s.snapshot_id = run.snapshot_id;

    PERFORM set_config('app.current_tenant', run.tenant_id::text, true);
    SELECT r.config_text INTO copied_text
    FROM public.router_config_snapshots AS r WHERE r.id = run.snapshot_id;
    IF copied_text IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN snapshot_ingest.add_run(
        run.device_id, run.tenant_id, run.last_seen, run.last_seen_sequence, run.digest,
        copied_text, run.format, run.plaintext_bytes, run.flags | 4::smallint);
END
$$;

-- Any other case, one item: it may lie anywhere in its device's timeline.
CREATE FUNCTION snapshot_ingest.store_in_place(
    item integer, device uuid, tenant uuid, at timestamptz, at_sequence bigint,
    text_digest bytea, ciphertext text, ciphertext_format text, size integer, marks smallint)
RETURNS snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
DECLARE
    previous snapshot_ingest.snapshots;
    next_id uuid;
BEGIN
    PERFORM FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = device AND run.collected_at = at AND run.sequence = at_sequence
        AND run.digest = text_digest;
    IF FOUND THEN
        RETURN (item, 'already_stored', NULL, NULL, NULL)::snapshot_ingest.store_answer;
    END IF;

    SELECT run.* INTO previous
    FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = device AND (run.collected_at, run.sequence) <= (at, at_sequence)
    ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
    LIMIT 1;

    PERFORM set_config('app.current_tenant', tenant::text, true);
    IF previous.digest = text_digest AND previous.tenant_id = tenant AND EXISTS (
        SELECT FROM public.router_config_snapshots AS r WHERE r.id = previous.snapshot_id
    ) THEN
        UPDATE snapshot_ingest.snapshots AS run
        SET last_seen = at, last_seen_sequence = at_sequence
        WHERE run.snapshot_id = previous.snapshot_id
            AND (run.last_seen, run.last_seen_sequence) < (at, at_sequence);
        RETURN (item, 'unchanged', NULL, NULL, NULL)::snapshot_ingest.store_answer;
    END IF;
    IF ciphertext IS NULL THEN
        RETURN (item, 'needs_ciphertext', NULL, NULL, NULL)::snapshot_ingest.store_answer;
    END IF;

    IF (at, at_sequence) < (previous.last_seen, previous.last_seen_sequence) THEN
        next_id := snapshot_ingest.split_run(previous);
    END IF;
    IF next_id IS NULL THEN
        SELECT run.snapshot_id INTO next_id
        FROM snapshot_ingest.snapshots AS run
        WHERE run.device_id = device AND (run.collected_at, run.sequence) > (at, at_sequence)
        ORDER BY run.collected_at, run.sequence, run.snapshot_id
        LIMIT 1;
    END IF;
    RETURN (item, 'stored',
        snapshot_ingest.add_run(device, tenant, at, at_sequence, text_digest,
            ciphertext, ciphertext_format, size, marks),
        previous.snapshot_id, next_id)::snapshot_ingest.store_answer;
END
$$;

-- Decides every item of a batch; one answer an item, in no order.
CREATE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    owned integer[] := snapshot_ingest.owned_items(devices, tenants);
    newest integer[];
    elsewhere integer[];
    n integer;
BEGIN
    -- An acknowledgement follows the commit, so the commit must be on disk, whatever the
    -- role's default.
    PERFORM set_config('synchronous_commit', 'on', true);
    -- A constraint that the backend defers would otherwise refuse the whole commit.
    SET CONSTRAINTS ALL IMMEDIATE;

    PERFORM snapshot_ingest.lock_heads(ARRAY(SELECT devices[i] FROM unnest(owned) AS i));

    SELECT array_agg(place.i) FILTER (WHERE place.is_newest),
        array_agg(place.i ORDER BY devices[place.i], times[place.i], sequences[place.i], place.i)
            FILTER (WHERE place.is_newest IS NOT TRUE)
    INTO newest, elsewhere
    FROM (
        SELECT i,
            count(*) OVER (PARTITION BY devices[i]) = 1
            AND (head.snapshot_id IS NULL
                OR (run.last_seen, run.last_seen_sequence) < (times[i], sequences[i])) AS is_newest
        FROM unnest(owned) AS i
        JOIN snapshot_ingest.heads AS head ON head.device_id = devices[i]
        LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = head.snapshot_id
    ) AS place;

    RETURN QUERY SELECT * FROM snapshot_ingest.store_newest(
        newest, devices, tenants, times, sequences, digests, ciphertexts, formats, sizes, marks);

    FOREACH n IN ARRAY coalesce(elsewhere, '{}') LOOP
        RETURN NEXT snapshot_ingest.store_in_place(
            n, devices[n], tenants[n], times[n], sequences[n],
            digests[n], ciphertexts[n], formats[n], sizes[n], marks[n]);
    END LOOP;

    RETURN QUERY
        SELECT i, 'orphan', NULL::uuid, NULL::uuid, NULL::uuid
        FROM (SELECT generate_subscripts(devices, 1) EXCEPT SELECT unnest(owned)) AS rest (i);
END
$$;

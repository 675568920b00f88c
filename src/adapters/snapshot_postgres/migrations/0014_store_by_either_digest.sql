-- Looking and storing as before (0003, 0004, 0009), by keyed digests too.
--
-- A snapshot comes with its keyed digest and, in `plain_digests`, the plain one, by which runs that
-- are not migrated yet know the same text. Without a digest key, `digests` are plain and the two
-- other arrays hold nulls.

DROP FUNCTION snapshot_ingest.unchanged(uuid[], uuid[], timestamptz[], bigint[], bytea[]);
DROP FUNCTION snapshot_ingest.still_there(integer[], uuid, uuid[], bytea[]);
DROP FUNCTION snapshot_ingest.store_newest(
    integer[], uuid[], uuid[], timestamptz[], bigint[], bytea[], text[], text[], integer[],
    smallint[]);
DROP FUNCTION snapshot_ingest.add_run(
    uuid, uuid, timestamptz, bigint, bytea, text, text, integer, smallint);
DROP FUNCTION snapshot_ingest.store_in_place(
    integer, uuid, uuid, timestamptz, bigint, bytea, text, text, integer, smallint);
DROP FUNCTION snapshot_ingest.store_batch(
    uuid[], uuid[], timestamptz[], bigint[], bytea[], text[], text[], integer[], smallint[]);
DROP FUNCTION snapshot_ingest.store_batch(
    uuid[], uuid[], timestamptz[], bigint[], bytea[], text[], text[], integer[], smallint[],
    uuid[], uuid[], text[]);

-- For each key whether the run at its time has its digest and its tenant: the head for a key
-- that is not before it, else the last run that starts at or before the key. A hint: it looks
-- at no row and takes no lock.
CREATE FUNCTION snapshot_ingest.unchanged(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[],
    plain_digests bytea[])
RETURNS TABLE (item integer, same boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT n,
            coalesce(
                CASE WHEN (times[n], sequences[n]) >= (head.collected_at, head.sequence)
                    THEN head.digest IN (digests[n], plain_digests[n])
                        AND head.tenant_id = tenants[n]
                    ELSE earlier.digest IN (digests[n], plain_digests[n])
                        AND earlier.tenant_id = tenants[n]
                END, false)
        FROM generate_subscripts(devices, 1) AS n
        LEFT JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
        LEFT JOIN LATERAL (
            SELECT run.digest, run.tenant_id
            FROM snapshot_ingest.snapshots AS run
            WHERE (times[n], sequences[n]) < (head.collected_at, head.sequence)
                AND run.device_id = devices[n]
                AND (run.collected_at, run.sequence) <= (times[n], sequences[n])
            ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
            LIMIT 1
        ) AS earlier ON true;
END
$$;

-- Raises where a digest would be stored that is not under the kept key: it could not be compared
-- with those that are, and every text would be stored once more. The heads are locked before:
-- whoever finds a keyed one sees the key too, because that was committed first.
CREATE FUNCTION snapshot_ingest.refuse_other_keys(devices uuid[], digest_keys uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    kept uuid := (SELECT digest_key_id FROM snapshot_ingest.digest_keys);
BEGIN
    IF kept IS NULL AND (array_remove(digest_keys, NULL) <> '{}' OR EXISTS (
        SELECT FROM snapshot_ingest.heads AS head
        WHERE head.device_id = ANY (devices) AND head.digest_key IS NOT NULL))
    THEN
        RAISE EXCEPTION 'the key of these digests is gone' USING ERRCODE = 'SI002';
    END IF;
    IF kept IS NOT NULL AND EXISTS (
        SELECT FROM unnest(digest_keys) AS used (key) WHERE used.key IS DISTINCT FROM kept)
    THEN
        RAISE EXCEPTION 'digests are under another key here' USING ERRCODE = 'SI001';
    END IF;
END
$$;

-- Of one tenant's items, those whose device's newest run has their digest and their tenant, and
-- still has its row. Sees the rows of that tenant from now on.
CREATE FUNCTION snapshot_ingest.still_there(
    items integer[], tenant uuid, devices uuid[], digests bytea[], plain_digests bytea[])
RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN ARRAY(
        SELECT n
        FROM unnest(items) AS n
        JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
        JOIN public.router_config_snapshots AS r ON r.id = head.snapshot_id
        WHERE head.digest IN (digests[n], plain_digests[n]) AND head.tenant_id = tenant);
END
$$;

-- The common case, for many items at once: each is the only one of its device in the batch and
-- lies after the end of the device's newest run. Rows are looked for and inserted tenant by
-- tenant, as row-level security demands; the rest is done for all tenants together.
CREATE FUNCTION snapshot_ingest.store_newest(
    items integer[], devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
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
        unchanged_of_tenant := snapshot_ingest.still_there(
            of_tenant, tenant, devices, digests, plain_digests);
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
        (snapshot_id, device_id, tenant_id, digest, digest_key, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    SELECT new_ids[n], devices[n], tenants[n], digests[n], digest_keys[n], times[n], sequences[n],
        times[n], sequences[n], sizes[n], octet_length(ciphertexts[n]), formats[n], marks[n]
    FROM unnest(stored) AS n;

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = new_ids[n], tenant_id = tenants[n], digest = digests[n],
        digest_key = digest_keys[n], collected_at = times[n], sequence = sequences[n]
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
    device uuid, tenant uuid, at timestamptz, at_sequence bigint,
    text_digest bytea, text_digest_key uuid, ciphertext text,
    ciphertext_format text, size integer, marks smallint)
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
        (snapshot_id, device_id, tenant_id, digest, digest_key, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    VALUES (new_id, device, tenant, text_digest, text_digest_key, at, at_sequence,
        at, at_sequence, size, octet_length(ciphertext), ciphertext_format, marks);

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = new_id, tenant_id = tenant, digest = text_digest,
        digest_key = text_digest_key, collected_at = at, sequence = at_sequence
    WHERE head.device_id = device
        AND (head.snapshot_id IS NULL
            OR (head.collected_at, head.sequence, head.snapshot_id) < (at, at_sequence, new_id));
    RETURN new_id;
END
$$;

-- A late snapshot fell inside this run: the run ends at its start, the last time that is now
-- known for it, and its text comes back in a copy that starts where the run ended. Without a
-- row there is nothing to copy. Returns the copy's id, or null.
CREATE OR REPLACE FUNCTION snapshot_ingest.split_run(run snapshot_ingest.snapshots) RETURNS uuid
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
        run.device_id, run.tenant_id, run.last_seen, run.last_seen_sequence,
        run.digest, run.digest_key, copied_text, run.format, run.plaintext_bytes,
        run.flags | 4::smallint);
END
$$;

-- Any other case, one item: it may lie anywhere in its device's timeline.
CREATE FUNCTION snapshot_ingest.store_in_place(
    item integer, device uuid, tenant uuid, at timestamptz, at_sequence bigint,
    text_digest bytea, text_digest_key uuid, plain_digest bytea,
    ciphertext text, ciphertext_format text, size integer, marks smallint)
RETURNS snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
DECLARE
    previous snapshot_ingest.snapshots;
    next_id uuid;
BEGIN
    PERFORM FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = device AND run.collected_at = at AND run.sequence = at_sequence
        AND run.digest IN (text_digest, plain_digest);
    IF FOUND THEN
        RETURN (item, 'already_stored', NULL, NULL, NULL)::snapshot_ingest.store_answer;
    END IF;

    SELECT run.* INTO previous
    FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = device AND (run.collected_at, run.sequence) <= (at, at_sequence)
    ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
    LIMIT 1;

    PERFORM set_config('app.current_tenant', tenant::text, true);
    IF previous.digest IN (text_digest, plain_digest) AND previous.tenant_id = tenant AND EXISTS (
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
        snapshot_ingest.add_run(device, tenant, at, at_sequence,
            text_digest, text_digest_key, ciphertext, ciphertext_format, size, marks),
        previous.snapshot_id, next_id)::snapshot_ingest.store_answer;
END
$$;

-- Decides every item of a batch; one answer an item, in no order.
CREATE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
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
    PERFORM snapshot_ingest.refuse_other_keys(devices, digest_keys);

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
        newest, devices, tenants, times, sequences, digests, digest_keys, plain_digests,
        ciphertexts, formats, sizes, marks);

    FOREACH n IN ARRAY coalesce(elsewhere, '{}') LOOP
        RETURN NEXT snapshot_ingest.store_in_place(
            n, devices[n], tenants[n], times[n], sequences[n],
            digests[n], digest_keys[n], plain_digests[n],
            ciphertexts[n], formats[n], sizes[n], marks[n]);
    END LOOP;

    RETURN QUERY
        SELECT i, 'orphan', NULL::uuid, NULL::uuid, NULL::uuid
        FROM (SELECT generate_subscripts(devices, 1) EXCEPT SELECT unnest(owned)) AS rest (i);
END
$$;

-- The same as the `store_batch` that it calls, and keeps the data keys of the batch's ciphertexts,
-- all in one transaction. The keys come last, in the order of their ids: whoever waits for
-- another worker's key holds his heads already, as that worker does.
CREATE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[],
    data_key_ids uuid[], data_key_tenants uuid[], wrapped_keys text[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM snapshot_ingest.store_batch(
        devices, tenants, times, sequences, digests, digest_keys, plain_digests,
        ciphertexts, formats, sizes, marks);
    INSERT INTO snapshot_ingest.data_keys (data_key_id, tenant_id, wrapped_key)
    SELECT made.id, made.tenant, made.wrapped
    FROM unnest(data_key_ids, data_key_tenants, wrapped_keys) AS made (id, tenant, wrapped)
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.data_keys AS known WHERE known.data_key_id = made.id)
    ORDER BY made.id
    ON CONFLICT DO NOTHING;
END
$$;

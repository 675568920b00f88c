-- Looking and storing as before (0014), in one pass over the batch, however many tenants it names.
--
-- The arrays are taken apart by one `unnest` for each statement: an array of texts has no index,
-- so that `texts[n]` walks over all the texts before it, and 200 of them take 20,000 steps.
--
-- A policy is asked row by row, while a statement is carried out: so a row under row-level
-- security is looked at, or inserted, right after `app.current_tenant` was set for this very row.
-- Should PostgreSQL ever do it in another order, the policy refuses the insert.

CREATE OR REPLACE FUNCTION snapshot_ingest.unchanged(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[],
    plain_digests bytea[])
RETURNS TABLE (item integer, same boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT asked.n::integer,
            coalesce(
                CASE WHEN (asked.at, asked.sequence) >= (head.collected_at, head.sequence)
                    THEN head.digest IN (asked.digest, asked.plain)
                        AND head.tenant_id = asked.tenant
                    ELSE earlier.digest IN (asked.digest, asked.plain)
                        AND earlier.tenant_id = asked.tenant
                END, false)
        FROM unnest(devices, tenants, times, sequences, digests, plain_digests)
            WITH ORDINALITY AS asked (device, tenant, at, sequence, digest, plain, n)
        LEFT JOIN snapshot_ingest.heads AS head ON head.device_id = asked.device
        LEFT JOIN LATERAL (
            SELECT run.digest, run.tenant_id
            FROM snapshot_ingest.snapshots AS run
            WHERE (asked.at, asked.sequence) < (head.collected_at, head.sequence)
                AND run.device_id = asked.device
                AND (run.collected_at, run.sequence) <= (asked.at, asked.sequence)
            ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
            LIMIT 1
        ) AS earlier ON true;
END
$$;

DROP FUNCTION snapshot_ingest.store_newest(
    integer[], uuid[], uuid[], timestamptz[], bigint[], bytea[], uuid[], bytea[], text[], text[],
    integer[], smallint[]);
DROP FUNCTION snapshot_ingest.still_there(integer[], uuid, uuid[], bytea[], bytea[]);

-- For each item, in order, whether its device exists and is its tenant's.
CREATE FUNCTION snapshot_ingest.owned(devices uuid[], tenants uuid[]) RETURNS boolean[]
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN ARRAY(
        SELECT owner.id IS NOT NULL
        FROM unnest(devices, tenants) WITH ORDINALITY AS item (device, tenant, n)
        LEFT JOIN public.devices AS owner
            ON owner.id = item.device AND owner.tenant_id = item.tenant
        ORDER BY item.n);
END
$$;

-- What becomes of each item, in order, and its device's newest run. The common case is that an
-- item is the only one of its device and lies after the end of that run: then it is `unchanged`
-- if it has the run's digest and tenant and the run's row is still there, else `stored` where it
-- has a ciphertext, or `needs_ciphertext`. Any other is `elsewhere` in its device's timeline.
-- `formats` are null where there is no ciphertext. The heads are locked before.
CREATE FUNCTION snapshot_ingest.sorted_out(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], plain_digests bytea[], formats text[], is_owned boolean[],
    OUT kinds text[], OUT newest_runs uuid[])
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    SELECT array_agg(
            CASE
                WHEN NOT place.owned THEN 'orphan'
                WHEN NOT place.is_newest THEN 'elsewhere'
                WHEN place.has_row THEN 'unchanged'
                WHEN place.format IS NOT NULL THEN 'stored'
                ELSE 'needs_ciphertext'
            END ORDER BY place.n),
        array_agg(place.snapshot_id ORDER BY place.n)
    INTO kinds, newest_runs
    FROM (
        SELECT item.n, item.owned, item.format, head.snapshot_id,
            row_of_run.id IS NOT NULL AS has_row,
            count(*) FILTER (WHERE item.owned) OVER (PARTITION BY item.device) = 1
            AND coalesce(head.snapshot_id IS NULL
                OR (run.last_seen, run.last_seen_sequence) < (item.at, item.sequence), false)
                AS is_newest
        FROM unnest(
                devices, tenants, times, sequences, digests, plain_digests, formats, is_owned)
            WITH ORDINALITY
            AS item (device, tenant, at, sequence, digest, plain, format, owned, n)
        LEFT JOIN snapshot_ingest.heads AS head ON head.device_id = item.device AND item.owned
        LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = head.snapshot_id
        LEFT JOIN LATERAL (
            SELECT r.id
            FROM (
                SELECT set_config('app.current_tenant', item.tenant::text, true) AS tenant
                WHERE head.digest IN (item.digest, item.plain) AND head.tenant_id = item.tenant
                OFFSET 0
            ) AS setting
            -- The row is looked for by what the setting returned, and so never before it.
            JOIN public.router_config_snapshots AS r
                ON r.id = CASE WHEN setting.tenant IS NOT NULL THEN head.snapshot_id END
        ) AS row_of_run ON true
    ) AS place;
END
$$;

-- Carries out what was sorted out as `stored` and `unchanged`. `new_ids` are null but for what is
-- stored; `newest_runs` are the devices' newest runs before it.
CREATE FUNCTION snapshot_ingest.store_newest(
    kinds text[], new_ids uuid[], newest_runs uuid[], devices uuid[], tenants uuid[],
    times timestamptz[], sequences bigint[], digests bytea[], digest_keys uuid[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    INSERT INTO public.router_config_snapshots
        (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
    SELECT made.id, made.device, made.tenant, made.ciphertext, encode(made.digest, 'hex'), made.at
    FROM (
        SELECT item.*, set_config('app.current_tenant', item.tenant::text, true) AS setting
        FROM unnest(new_ids, devices, tenants, ciphertexts, digests, times)
            AS item (id, device, tenant, ciphertext, digest, at)
        WHERE item.id IS NOT NULL
        OFFSET 0
    ) AS made
    WHERE made.setting IS NOT NULL;

    INSERT INTO snapshot_ingest.snapshots
        (snapshot_id, device_id, tenant_id, digest, digest_key, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    SELECT item.id, item.device, item.tenant, item.digest, item.digest_key, item.at,
        item.sequence, item.at, item.sequence, item.size, octet_length(item.ciphertext),
        item.format, item.mark
    FROM unnest(new_ids, devices, tenants, digests, digest_keys, times, sequences, sizes,
            ciphertexts, formats, marks)
        AS item (id, device, tenant, digest, digest_key, at, sequence, size, ciphertext,
            format, mark)
    WHERE item.id IS NOT NULL;

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = item.id, tenant_id = item.tenant, digest = item.digest,
        digest_key = item.digest_key, collected_at = item.at, sequence = item.sequence
    FROM unnest(new_ids, devices, tenants, digests, digest_keys, times, sequences)
        AS item (id, device, tenant, digest, digest_key, at, sequence)
    WHERE head.device_id = item.device AND item.id IS NOT NULL;

    UPDATE snapshot_ingest.snapshots AS run
    SET last_seen = item.at, last_seen_sequence = item.sequence
    FROM unnest(kinds, newest_runs, times, sequences) AS item (kind, newest_run, at, sequence)
    WHERE item.kind = 'unchanged' AND run.snapshot_id = item.newest_run;
END
$$;

-- Decides every item of a batch; one answer an item, in no order.
CREATE OR REPLACE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    is_owned boolean[] := snapshot_ingest.owned(devices, tenants);
    kinds text[];
    newest_runs uuid[];
    new_ids uuid[];
    n integer;
BEGIN
    -- An acknowledgement follows the commit, so the commit must be on disk, whatever the
    -- role's default.
    PERFORM set_config('synchronous_commit', 'on', true);
    -- A constraint that the backend defers would otherwise refuse the whole commit.
    SET CONSTRAINTS ALL IMMEDIATE;

    PERFORM snapshot_ingest.lock_heads(ARRAY(
        SELECT item.device FROM unnest(devices, is_owned) AS item (device, owned)
        WHERE item.owned));
    PERFORM snapshot_ingest.refuse_other_keys(devices, digest_keys);

    SELECT place.kinds, place.newest_runs INTO kinds, newest_runs
    FROM snapshot_ingest.sorted_out(devices, tenants, times, sequences, digests, plain_digests,
        formats, is_owned) AS place;
    new_ids := ARRAY(
        SELECT CASE WHEN item.kind = 'stored' THEN gen_random_uuid() END
        FROM unnest(kinds) WITH ORDINALITY AS item (kind, n) ORDER BY item.n);

    PERFORM snapshot_ingest.store_newest(
        kinds, new_ids, newest_runs, devices, tenants, times, sequences, digests, digest_keys,
        ciphertexts, formats, sizes, marks);
    RETURN QUERY
        SELECT item.n::integer, item.kind, item.id,
            CASE WHEN item.kind = 'stored' THEN item.newest_run END, NULL::uuid
        FROM unnest(kinds, new_ids, newest_runs) WITH ORDINALITY AS item (kind, id, newest_run, n)
        WHERE item.kind <> 'elsewhere';

    FOR n IN
        SELECT item.n
        FROM unnest(kinds, devices, times, sequences) WITH ORDINALITY
            AS item (kind, device, at, sequence, n)
        WHERE item.kind = 'elsewhere'
        ORDER BY item.device, item.at, item.sequence, item.n
    LOOP
        RETURN NEXT snapshot_ingest.store_in_place(
            n, devices[n], tenants[n], times[n], sequences[n],
            digests[n], digest_keys[n], plain_digests[n],
            ciphertexts[n], formats[n], sizes[n], marks[n]);
    END LOOP;
END
$$;

-- The same as the `store_batch` that it calls, and keeps the data keys of the batch's ciphertexts,
-- all in one transaction. The keys come last, in the order of their ids: whoever waits for
-- another worker's key holds his heads already, as that worker does.
--
-- A call without BEGIN is a transaction by itself, in the session's isolation. Any but READ
-- COMMITTED would show each statement what there was before it waited for the heads.
CREATE OR REPLACE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[],
    data_key_ids uuid[], data_key_tenants uuid[], wrapped_keys text[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a batch is stored in a transaction that is READ COMMITTED'
            USING ERRCODE = 'SI004';
    END IF;
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

-- From plain digests to keyed ones, a page at a time, beside running workers.
--
-- Plans are pinned as in 0010, for the reasons given there.

CREATE FUNCTION snapshot_ingest.count_plain_digests(tenant uuid) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM snapshot_ingest.snapshots AS run
    WHERE run.tenant_id = tenant AND run.digest_key IS NULL
$$;

-- Up to `at_most` of the tenant's runs with greater ids whose digest is plain, also those whose
-- row others deleted. With those texts that are bound to their digest, together at most
-- `most_bytes` of them; but at least one.
CREATE FUNCTION snapshot_ingest.plain_digests(
    tenant uuid, after uuid, at_most integer, most_bytes bigint)
RETURNS TABLE (snapshot_id uuid, device_id uuid, digest bytea, envelope text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET enable_sort = off SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT page.snapshot_id, page.device_id, page.digest, r.config_text
        FROM (
            SELECT run.snapshot_id, run.device_id, run.digest, run.format,
                sum(run.stored_bytes) FILTER (WHERE run.format = 'envelope')
                    OVER (ORDER BY run.snapshot_id) AS bytes,
                row_number() OVER (ORDER BY run.snapshot_id) AS place
            FROM (
                SELECT * FROM snapshot_ingest.snapshots AS run
                WHERE run.tenant_id = tenant AND run.snapshot_id > after
                    AND run.digest_key IS NULL
                ORDER BY run.snapshot_id
                LIMIT at_most
            ) AS run
        ) AS page
        LEFT JOIN public.router_config_snapshots AS r
            ON r.id = page.snapshot_id AND page.format = 'envelope'
        WHERE coalesce(page.bytes, 0) <= most_bytes OR page.place = 1
        ORDER BY page.snapshot_id;
END
$$;

-- Locks the devices until the transaction ends, in the order in which workers lock them: one that
-- splits a run copies its digest and its text. Devices without a head have no run.
CREATE FUNCTION snapshot_ingest.hold_devices(devices uuid[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM set_config('idle_in_transaction_session_timeout', '4s', true);
    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (devices)
    ORDER BY head.device_id
    FOR UPDATE;
END
$$;

-- Replaces each digest that is still the former, plain one, under its device's lock, and with it
-- the text where that is bound to it; returns the ids. Left out are a text that changed meanwhile,
-- and one that is bound to its digest and came without a new text.
CREATE FUNCTION snapshot_ingest.swap_digests(
    tenant uuid, key uuid, ids uuid[], devices uuid[], formers bytea[], keyed bytea[],
    former_texts text[], ciphertexts text[])
RETURNS SETOF uuid
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    plain integer[];
    swapped uuid[];
    sees_rows boolean;
BEGIN
    PERFORM snapshot_ingest.hold_devices(devices);
    IF NOT EXISTS (
        SELECT FROM snapshot_ingest.digest_keys AS kept WHERE kept.digest_key_id = key)
    THEN
        RAISE EXCEPTION 'the key is that of another database' USING ERRCODE = 'SI003';
    END IF;

    PERFORM set_config('app.current_tenant', tenant::text, true);
    -- A bound text is not taken for gone where no row of the tenant can be seen: it may be hidden.
    sees_rows := EXISTS (
        SELECT FROM public.router_config_snapshots AS r WHERE r.tenant_id = tenant);
    plain := ARRAY(
        SELECT n
        FROM generate_subscripts(ids, 1) AS n
        JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = ids[n]
        WHERE run.digest = formers[n] AND run.digest_key IS NULL
            AND (run.format <> 'envelope' OR ciphertexts[n] IS NOT NULL OR (sees_rows
                AND NOT EXISTS (
                    SELECT FROM public.router_config_snapshots AS r WHERE r.id = ids[n]))));

    WITH replaced AS (
        UPDATE public.router_config_snapshots AS r
        SET sha256_hash = encode(keyed[n], 'hex'),
            config_text = coalesce(ciphertexts[n], r.config_text)
        FROM unnest(plain) AS n
        WHERE r.id = ids[n] AND (ciphertexts[n] IS NULL OR r.config_text = former_texts[n])
        RETURNING r.id
    )
    SELECT array_agg(id) INTO swapped FROM replaced;
    swapped := swapped || ARRAY(
        SELECT ids[n] FROM unnest(plain) AS n
        WHERE NOT EXISTS (
            SELECT FROM public.router_config_snapshots AS r WHERE r.id = ids[n]));

    UPDATE snapshot_ingest.snapshots AS run
    SET digest = keyed[n], digest_key = key,
        stored_bytes = coalesce(octet_length(ciphertexts[n]), run.stored_bytes)
    FROM generate_subscripts(ids, 1) AS n
    WHERE run.snapshot_id = ids[n] AND ids[n] = ANY (swapped);
    UPDATE snapshot_ingest.heads AS head
    SET digest = keyed[n], digest_key = key
    FROM generate_subscripts(ids, 1) AS n
    WHERE head.device_id = devices[n] AND head.snapshot_id = ids[n] AND ids[n] = ANY (swapped);
    RETURN QUERY SELECT unnest(swapped);
END
$$;

-- As in 0010, but a text whose digest changed meanwhile stays as it is: the new one may be bound
-- to the former digest.
DROP FUNCTION snapshot_ingest.swap_texts(uuid, uuid[], uuid[], text[], text[], text[]);

CREATE FUNCTION snapshot_ingest.swap_texts(
    tenant uuid, ids uuid[], devices uuid[], digests bytea[], formers text[],
    ciphertexts text[], formats text[])
RETURNS SETOF uuid
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    swapped uuid[];
BEGIN
    PERFORM snapshot_ingest.hold_devices(devices);

    PERFORM set_config('app.current_tenant', tenant::text, true);
    WITH replaced AS (
        UPDATE public.router_config_snapshots AS r
        SET config_text = ciphertexts[n]
        FROM generate_subscripts(ids, 1) AS n
        JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = ids[n]
        WHERE r.id = ids[n] AND r.config_text = formers[n] AND run.digest = digests[n]
        RETURNING r.id
    )
    SELECT array_agg(id) INTO swapped FROM replaced;

    UPDATE snapshot_ingest.snapshots AS run
    SET format = formats[n], stored_bytes = octet_length(ciphertexts[n])
    FROM generate_subscripts(ids, 1) AS n
    WHERE run.snapshot_id = ids[n] AND ids[n] = ANY (swapped);
    RETURN QUERY SELECT unnest(swapped);
END
$$;

-- As in 0012, and a head that moves back takes the kind of its digest along.
CREATE OR REPLACE FUNCTION snapshot_ingest.erase_timelines(tenant uuid, devices uuid[])
RETURNS TABLE (heads bigint, runs bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    own_devices uuid[];
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM set_config('lock_timeout', '5s', true);
    -- In the order in which workers lock them.
    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (devices)
    ORDER BY head.device_id
    FOR UPDATE;

    own_devices := ARRAY(
        SELECT head.device_id FROM snapshot_ingest.heads AS head
        WHERE head.device_id = ANY (devices) AND head.tenant_id = tenant);
    DELETE FROM snapshot_ingest.snapshots AS run
    WHERE run.device_id = ANY (devices) AND run.tenant_id = tenant;
    GET DIAGNOSTICS runs = ROW_COUNT;

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = newest.snapshot_id, tenant_id = newest.tenant_id, digest = newest.digest, digest_key = newest.digest_key,
        collected_at = newest.collected_at, sequence = newest.sequence
    FROM (
        SELECT DISTINCT ON (run.device_id) run.*
        FROM snapshot_ingest.snapshots AS run
        WHERE run.device_id = ANY (own_devices)
        ORDER BY run.device_id, run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
    ) AS newest
    WHERE head.device_id = newest.device_id;
    DELETE FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (own_devices) AND head.tenant_id = tenant;
    heads := cardinality(own_devices);
    RETURN NEXT;
END
$$;

-- The stored texts of one tenant, for an operator who brings them under another key or form.
--
-- These functions run with their caller's rights: to replace a text, the operator's role needs
-- UPDATE (config_text, sha256_hash) on the backend's table, which only its owner can grant.
--
-- The shape of the plans of what is asked page by page is pinned, as in 0003: each page looks at
-- its own rows by their ids, however many there are. OFFSET 0 holds the planner to the tenant's
-- own runs: left alone it began at the backend's table, and walked past the rows of other tenants
-- and of all pages before. Without a sort it reads those runs in the index's order, and stops
-- when the page is full.

CREATE INDEX snapshots_of_tenant ON snapshot_ingest.snapshots (tenant_id, snapshot_id);

-- The version of the tenant's key that a text or a wrapped data key is directly under; null if
-- it is under a data key. Only the first bytes of a text are read.
CREATE FUNCTION snapshot_ingest.key_version(ciphertext text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT substring(left(ciphertext, 32) FROM '^(?:si1z:)?vault:v([0-9]{1,18}):')::bigint
$$;

-- The first of these runs' texts, in the order of their ids, that together have at most
-- `most_bytes`; at least one.
CREATE FUNCTION snapshot_ingest.texts(tenant uuid, wanted uuid[], most_bytes bigint)
RETURNS TABLE (snapshot_id uuid, device_id uuid, digest bytea, ciphertext text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT run.snapshot_id, run.device_id, run.digest, r.config_text
        FROM (
            SELECT r.id,
                sum(octet_length(r.config_text)) OVER (ORDER BY r.id) AS bytes,
                row_number() OVER (ORDER BY r.id) AS place
            FROM public.router_config_snapshots AS r WHERE r.id = ANY (wanted)
        ) AS sized
        JOIN public.router_config_snapshots AS r ON r.id = sized.id
        JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = sized.id
        WHERE sized.bytes <= most_bytes OR sized.place = 1
        ORDER BY run.snapshot_id;
END
$$;

-- Up to `at_most` of the tenant's texts with greater ids that are under another key version.
CREATE FUNCTION snapshot_ingest.texts_under_other_versions(
    tenant uuid, version bigint, after uuid, at_most integer, most_bytes bigint)
RETURNS TABLE (snapshot_id uuid, device_id uuid, digest bytea, ciphertext text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET enable_sort = off SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY SELECT * FROM snapshot_ingest.texts(tenant, ARRAY(
        SELECT run.snapshot_id
        FROM (
            SELECT run.snapshot_id FROM snapshot_ingest.snapshots AS run
            WHERE run.tenant_id = tenant AND run.snapshot_id > after AND run.format <> 'envelope'
            ORDER BY run.snapshot_id
            OFFSET 0
        ) AS run
        JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
        WHERE snapshot_ingest.key_version(r.config_text) <> version
        ORDER BY run.snapshot_id
        LIMIT at_most), most_bytes);
END
$$;

-- Up to `at_most` of the tenant's texts with greater ids that are of another format. A run whose
-- row others deleted has no text.
CREATE FUNCTION snapshot_ingest.texts_in_other_formats(
    tenant uuid, chosen text, after uuid, at_most integer, most_bytes bigint)
RETURNS TABLE (snapshot_id uuid, device_id uuid, digest bytea, ciphertext text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET enable_sort = off SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY SELECT * FROM snapshot_ingest.texts(tenant, ARRAY(
        SELECT run.snapshot_id
        FROM (
            SELECT run.snapshot_id FROM snapshot_ingest.snapshots AS run
            WHERE run.tenant_id = tenant AND run.snapshot_id > after AND run.format <> chosen
            ORDER BY run.snapshot_id
            OFFSET 0
        ) AS run
        JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
        ORDER BY run.snapshot_id
        LIMIT at_most), most_bytes);
END
$$;

CREATE FUNCTION snapshot_ingest.count_in_other_formats(tenant uuid, chosen text) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN (
        SELECT count(*)
        FROM snapshot_ingest.snapshots AS run
        JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
        WHERE run.tenant_id = tenant AND run.format <> chosen);
END
$$;

-- How many of the tenant's rows are in no timeline of ours: others wrote them. One look at every
-- row of the backend's table, which has no index on tenants.
CREATE FUNCTION snapshot_ingest.rows_of_others(tenant uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN (
        SELECT count(*) FROM public.router_config_snapshots AS r
        WHERE NOT EXISTS (
            SELECT FROM snapshot_ingest.snapshots AS run WHERE run.snapshot_id = r.id));
END
$$;

-- Replaces each text that is still the former one, under its device's lock; returns their ids.
CREATE FUNCTION snapshot_ingest.swap_texts(
    tenant uuid, ids uuid[], devices uuid[], formers text[], ciphertexts text[], formats text[])
RETURNS SETOF uuid
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    swapped uuid[];
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM set_config('idle_in_transaction_session_timeout', '4s', true);
    -- In the order in which workers lock them; a worker that splits a run copies its text.
    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (devices)
    ORDER BY head.device_id
    FOR UPDATE;

    PERFORM set_config('app.current_tenant', tenant::text, true);
    WITH replaced AS (
        UPDATE public.router_config_snapshots AS r
        SET config_text = ciphertexts[n]
        FROM generate_subscripts(ids, 1) AS n
        WHERE r.id = ids[n] AND r.config_text = formers[n]
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

-- How many texts and data keys of the tenant are under each version of its key.
CREATE FUNCTION snapshot_ingest.key_versions(tenant uuid)
RETURNS TABLE (version bigint, items bigint)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT found.version, count(*)
        FROM (
            SELECT snapshot_ingest.key_version(r.config_text)
            FROM snapshot_ingest.snapshots AS run
            JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
            WHERE run.tenant_id = tenant AND run.format <> 'envelope'
            UNION ALL
            SELECT snapshot_ingest.key_version(made.wrapped_key)
            FROM snapshot_ingest.data_keys AS made WHERE made.tenant_id = tenant
        ) AS found (version)
        WHERE found.version IS NOT NULL
        GROUP BY 1;
END
$$;

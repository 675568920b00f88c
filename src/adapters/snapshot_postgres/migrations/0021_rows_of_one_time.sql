-- Of several rows that others wrote at one time, the one that a message is of is told by its text.
--
-- The poller's times have seconds, and such rows have no sequence: which of them came last, nobody
-- knows. A message that the former subscriber stored and did not acknowledge comes again, and would
-- be compared with one of them alone.

-- The places of the items. The heads are locked before. None is the newest that has the very time of
-- a row that others wrote, unless it has its text: it is decided in its place.
CREATE OR REPLACE FUNCTION snapshot_ingest.places(
    items integer[], devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], plain_digests bytea[])
RETURNS SETOF snapshot_ingest.place
LANGUAGE plpgsql AS $$
BEGIN
    -- OFFSET 0 keeps each tenant's setting below the look at the row, and so before it.
    RETURN QUERY
        SELECT place.n, place.is_newest, place.newest_run, place.is_same,
            r.id IS NOT NULL, place.is_keyed
        FROM (
            SELECT placed.*, CASE WHEN placed.is_newest AND placed.is_same THEN
                set_config('app.current_tenant', tenants[placed.n]::text, true)::uuid
            END AS looks_as
            FROM (
                SELECT n, head.snapshot_id AS newest_run,
                    count(*) OVER (PARTITION BY devices[n]) = 1 AND coalesce(
                        (run.last_seen, run.last_seen_sequence) < (times[n], sequences[n])
                            AND (same.text OR run.sequence > 0 OR run.collected_at < times[n]),
                        head.snapshot_id IS NULL) AS is_newest,
                    same.text AS is_same,
                    head.digest_key IS NOT NULL AS is_keyed
                FROM unnest(items) AS n
                JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
                LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = head.snapshot_id
                CROSS JOIN LATERAL (SELECT coalesce(head.digest IN (digests[n], plain_digests[n])
                    AND head.tenant_id = tenants[n], false)) AS same (text)
            ) AS placed
            OFFSET 0
        ) AS place
        LEFT JOIN public.router_config_snapshots AS r
            ON r.id = CASE WHEN place.looks_as IS NOT NULL THEN place.newest_run END
                AND r.tenant_id = place.looks_as;
END
$$;

-- Decides one item in its place in the timeline: rules 1 to 3, and rule 1 also for the rows that others
-- wrote, whatever their order. The head is locked before.
CREATE OR REPLACE FUNCTION snapshot_ingest.store_in_place(
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
    IF previous.sequence = 0 AND previous.collected_at = at AND EXISTS (
        SELECT FROM snapshot_ingest.snapshots AS run
        JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
        WHERE run.device_id = device AND run.collected_at = at AND run.sequence = 0
            AND run.digest IN (text_digest, plain_digest) AND run.tenant_id = tenant
    ) THEN
        RETURN (item, 'already_stored', NULL, NULL, NULL)::snapshot_ingest.store_answer;
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

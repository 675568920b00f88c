-- Looking: whose a device is, and whether a snapshot seems to change anything.
--
-- Every function here pins the shape of its plans. They look up a batch by key, so an index is
-- right from the first row to the hundred-millionth; a plan made while a table was small would
-- otherwise be kept, and scan it when it is large. They run with their caller's rights.

-- Whether no device can be seen although the catalogue's estimate says that there are some.
-- An estimate of -1 (never analysed) says nothing.
CREATE FUNCTION snapshot_ingest.devices_hidden() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN NOT EXISTS (SELECT FROM public.devices)
        AND (SELECT reltuples > 0 FROM pg_catalog.pg_class WHERE oid = 'public.devices'::regclass);
END
$$;

-- The devices among these that exist, and their owners.
CREATE FUNCTION snapshot_ingest.owners(devices uuid[])
RETURNS TABLE (device uuid, owner uuid)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN QUERY
        SELECT d.id, d.tenant_id
        FROM unnest(devices) AS wanted (id) JOIN public.devices AS d ON d.id = wanted.id;
END
$$;

-- For each key whether the run at its time has its digest and its tenant: the head for a key
-- that is not before it, else the last run that starts at or before the key. A hint: it looks
-- at no row and takes no lock.
CREATE FUNCTION snapshot_ingest.unchanged(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[])
RETURNS TABLE (item integer, same boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT n,
            coalesce(
                CASE WHEN (times[n], sequences[n]) >= (head.collected_at, head.sequence)
                    THEN head.digest = digests[n] AND head.tenant_id = tenants[n]
                    ELSE earlier.digest = digests[n] AND earlier.tenant_id = tenants[n]
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

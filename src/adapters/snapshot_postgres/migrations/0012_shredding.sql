-- What is left of a tenant whose key is deleted: to try its rows, and to erase the rest.
--
-- These functions run with their caller's rights.

-- The ids of all rows of the tenant, whoever wrote them. The backend's table has no index that
-- leads to a tenant, so all of them are found in one scan.
CREATE FUNCTION snapshot_ingest.row_ids_of_tenant(tenant uuid) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT r.id FROM public.router_config_snapshots AS r
        WHERE r.tenant_id = tenant
        ORDER BY r.id;
END
$$;

-- The first of these rows, in the order of their ids, that together have at most `most_bytes`;
-- at least one. The digest is null where no run of ours is behind the row.
CREATE FUNCTION snapshot_ingest.rows_of_tenant(tenant uuid, wanted uuid[], most_bytes bigint)
RETURNS TABLE (snapshot_id uuid, device_id uuid, digest bytea, ciphertext text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT r.id, r.device_id, run.digest, r.config_text
        FROM (
            SELECT r.id,
                sum(octet_length(r.config_text)) OVER (ORDER BY r.id) AS bytes,
                row_number() OVER (ORDER BY r.id) AS place
            FROM public.router_config_snapshots AS r
            WHERE r.id = ANY (wanted) AND r.tenant_id = tenant
        ) AS sized
        JOIN public.router_config_snapshots AS r ON r.id = sized.id
        LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = r.id
        WHERE sized.bytes <= most_bytes OR sized.place = 1
        ORDER BY r.id;
END
$$;

-- Erases the tenant's runs of these devices, and the heads that point at them, under the devices'
-- locks. Where a device was another tenant's too, its head goes back to that one's newest run.
-- A worker that waits for a head that is gone begins anew: see `lock_heads`.
CREATE FUNCTION snapshot_ingest.erase_timelines(tenant uuid, devices uuid[])
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
    SET snapshot_id = newest.snapshot_id, tenant_id = newest.tenant_id, digest = newest.digest,
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

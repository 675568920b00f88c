-- name: devices
-- Devices $3 to $4 of the tenant $1, each with $5 snapshots whose text is $2, and its head.
WITH made AS MATERIALIZED (
    SELECT gen_random_uuid() AS device, n FROM generate_series($3::integer, $4::integer) AS n
), versions AS MATERIALIZED (
    SELECT gen_random_uuid() AS id, device, v,
        timestamptz '2025-06-01 00:00Z' + v * interval '6 hours' AS at
    FROM made CROSS JOIN generate_series(1, $5::integer) AS v
), devices AS (
    INSERT INTO public.devices (id, tenant_id, hostname, ip_address)
    SELECT device, $1::uuid, 'router-' || n, '192.0.2.1' FROM made
), rows AS (
    INSERT INTO public.router_config_snapshots
        (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
    SELECT id, device, $1, $2::text, repeat('a', 64), at FROM versions
), heads AS (
    INSERT INTO snapshot_ingest.heads
        (device_id, snapshot_id, tenant_id, digest, collected_at, sequence)
    SELECT device, id, $1, decode(repeat('aa', 32), 'hex'), at, v FROM versions WHERE v = $5
)
INSERT INTO snapshot_ingest.snapshots
    (snapshot_id, device_id, tenant_id, digest, collected_at, sequence,
     last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
SELECT id, device, $1, decode(repeat('aa', 32), 'hex'), at, v, at, v, 2048, 2048, 'transit', 0
FROM versions;

-- name: heads
-- Devices $2 to $3 of the tenant $1, each with a head, whose snapshot is long gone.
WITH made AS MATERIALIZED (
    SELECT gen_random_uuid() AS device, n FROM generate_series($2::integer, $3::integer) AS n
), devices AS (
    INSERT INTO public.devices (id, tenant_id, hostname, ip_address)
    SELECT device, $1::uuid, 'router-' || n, '192.0.2.1' FROM made
)
INSERT INTO snapshot_ingest.heads
    (device_id, snapshot_id, tenant_id, digest, collected_at, sequence)
SELECT device, gen_random_uuid(), $1, decode(repeat('aa', 32), 'hex'),
    timestamptz '2025-06-01 00:00Z', 1
FROM made;

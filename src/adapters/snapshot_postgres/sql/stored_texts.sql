-- Stored texts and data keys, as an operator brings them under another key or form.

-- name: may_replace_texts
SELECT has_column_privilege('public.router_config_snapshots', 'config_text', 'UPDATE')
    AND has_column_privilege('public.router_config_snapshots', 'sha256_hash', 'UPDATE') AS may;

-- name: tenants
SELECT tenant_id FROM snapshot_ingest.snapshots
UNION
SELECT tenant_id FROM snapshot_ingest.data_keys
ORDER BY tenant_id;

-- name: under_other_versions
SELECT * FROM snapshot_ingest.texts_under_other_versions($1, $2, $3, $4, $5);

-- name: in_other_formats
SELECT * FROM snapshot_ingest.texts_in_other_formats($1, $2, $3, $4, $5);

-- name: count_in_other_formats
SELECT snapshot_ingest.count_in_other_formats($1, $2) AS texts;

-- name: rows_of_others
SELECT snapshot_ingest.rows_of_others($1) AS rows;

-- name: wrapped_keys
-- Those of the data keys $1 that there are.
SELECT data_key_id, tenant_id, wrapped_key
FROM snapshot_ingest.data_keys WHERE data_key_id = ANY ($1::uuid[]);

-- name: keep_data_keys
INSERT INTO snapshot_ingest.data_keys (data_key_id, tenant_id, wrapped_key)
SELECT made.id, made.tenant, made.wrapped
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS made (id, tenant, wrapped)
ORDER BY made.id
ON CONFLICT DO NOTHING;

-- name: swap
SELECT snapshot_id FROM snapshot_ingest.swap_texts($1, $2, $3, $4, $5, $6, $7) AS snapshot_id;

-- name: data_keys
SELECT data_key_id, tenant_id, wrapped_key
FROM snapshot_ingest.data_keys
WHERE tenant_id = $1 AND data_key_id > $3 AND snapshot_ingest.key_version(wrapped_key) <> $2
ORDER BY data_key_id
LIMIT $4;

-- name: swap_data_keys
-- Replaces each of the data keys $1 that is still wrapped as $2 by $3.
WITH locked AS (
    SELECT known.data_key_id, swap.wrapped
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS swap (id, former, wrapped)
    JOIN snapshot_ingest.data_keys AS known ON known.data_key_id = swap.id
    WHERE known.wrapped_key = swap.former
    ORDER BY known.data_key_id
    FOR UPDATE OF known
)
UPDATE snapshot_ingest.data_keys AS known
SET wrapped_key = locked.wrapped
FROM locked
WHERE known.data_key_id = locked.data_key_id
RETURNING known.data_key_id;

-- name: versions
SELECT version, items FROM snapshot_ingest.key_versions($1);

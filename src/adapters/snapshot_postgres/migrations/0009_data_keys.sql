-- Data keys of the format `envelope`, each wrapped by its tenant's key. A text names its key, and
-- no row here is ever deleted while a text may name it.
CREATE TABLE snapshot_ingest.data_keys (
    data_key_id  uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    wrapped_key  text NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX data_keys_of_tenant ON snapshot_ingest.data_keys (tenant_id, data_key_id);

-- The same as the `store_batch` that it calls, and keeps the data keys of the batch's ciphertexts,
-- all in one transaction. The keys come last, in the order of their ids: whoever waits for
-- another worker's key holds his heads already, as that worker does.
CREATE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[],
    data_key_ids uuid[], data_key_tenants uuid[], wrapped_keys text[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM snapshot_ingest.store_batch(
        devices, tenants, times, sequences, digests, ciphertexts, formats, sizes, marks);
    INSERT INTO snapshot_ingest.data_keys (data_key_id, tenant_id, wrapped_key)
    SELECT made.id, made.tenant, made.wrapped
    FROM unnest(data_key_ids, data_key_tenants, wrapped_keys) AS made (id, tenant, wrapped)
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.data_keys AS known WHERE known.data_key_id = made.id)
    ORDER BY made.id
    ON CONFLICT DO NOTHING;
END
$$;

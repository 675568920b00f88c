-- Keyed digests: what stands in place of the SHA-256 of a text, and the key that makes it.

-- The installation's one key of digests, wrapped by our own key at OpenBao. It is never replaced:
-- what it made could not be compared any more.
CREATE TABLE snapshot_ingest.digest_keys (
    digest_key_id  uuid PRIMARY KEY,
    wrapped_key    text NOT NULL,
    made_at        timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX only_one_digest_key ON snapshot_ingest.digest_keys ((true));

-- Whose key made the digest beside it; null for a plain one.
ALTER TABLE snapshot_ingest.heads ADD COLUMN digest_key uuid;
ALTER TABLE snapshot_ingest.snapshots ADD COLUMN digest_key uuid;

-- Keeps the key unless there is one already. It must be on disk before anything is made with it.
-- Where the key of keyed digests is gone, another one would store every text once more.
CREATE FUNCTION snapshot_ingest.keep_digest_key(key_id uuid, wrapped text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM set_config('lock_timeout', '5s', true);
    IF NOT EXISTS (SELECT FROM snapshot_ingest.digest_keys)
        AND EXISTS (SELECT FROM snapshot_ingest.heads AS head WHERE head.digest_key IS NOT NULL)
    THEN
        RAISE EXCEPTION 'the key of these digests is gone' USING ERRCODE = 'SI002';
    END IF;
    INSERT INTO snapshot_ingest.digest_keys (digest_key_id, wrapped_key)
    VALUES (key_id, wrapped)
    ON CONFLICT DO NOTHING;
END
$$;

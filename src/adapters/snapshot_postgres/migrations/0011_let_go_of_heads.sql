-- A worker that freezes in its transaction lets go of its devices before others give up waiting.
--
-- With 30 s, as it was, everybody who had a message of theirs in hand was held up for as long.

-- Gives each device a head and locks it until the transaction ends. Always in the order of the
-- devices, for new heads and then for all, so that no two workers wait for each other.
CREATE OR REPLACE FUNCTION snapshot_ingest.lock_heads(devices uuid[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    locked integer;
BEGIN
    -- Nobody waits for ever, and a worker that hangs lets go of the heads before those who wait
    -- for it give up.
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM set_config('idle_in_transaction_session_timeout', '4s', true);

    INSERT INTO snapshot_ingest.heads (device_id)
    SELECT DISTINCT wanted.device
    FROM unnest(devices) AS wanted (device)
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.heads AS head WHERE head.device_id = wanted.device)
    ORDER BY wanted.device
    ON CONFLICT DO NOTHING;

    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (devices)
    ORDER BY head.device_id
    FOR UPDATE;

    -- Somebody may have deleted a head in between (a tenant is shredded): then all is done anew.
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < (SELECT count(DISTINCT wanted.device) FROM unnest(devices) AS wanted (device)) THEN
        RAISE EXCEPTION 'a head was deleted while it was waited for'
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

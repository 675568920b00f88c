-- What waits in the quarantine can be stored without a person: workers look at it, one at a time.
ALTER TABLE snapshot_ingest.quarantine ADD COLUMN claimed_until timestamptz;

CREATE INDEX quarantine_waiting ON snapshot_ingest.quarantine (id)
    WHERE state = 'kept' AND waiting;

-- What was replayed or dropped is remembered until the stream's ack floor has passed it.
CREATE INDEX quarantine_remembered ON snapshot_ingest.quarantine (stream, stream_created_at)
    WHERE state <> 'kept';

-- Forgets what was replayed or dropped of the stream and cannot come again: of the one made at
-- that time up to the sequence, and all that was received on one before it. It runs with its
-- owner's rights, so that the ingest role need not be allowed to delete what is kept.
CREATE FUNCTION snapshot_ingest.forget_settled(
    of_stream text, created_at timestamptz, up_to bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    DELETE FROM snapshot_ingest.quarantine
    WHERE state <> 'kept' AND stream = of_stream AND stream_created_at <= created_at
        AND (sequence <= up_to OR received_at < created_at);
$$;
REVOKE ALL ON FUNCTION snapshot_ingest.forget_settled FROM PUBLIC;

-- What waits in the quarantine, by the server's own clock.

-- name: page
-- Up to $2 of the messages that wait and whose ids are greater than $1, in the order of ids.
SELECT id, reason, device_id, tenant_id, size_bytes, clock_timestamp() - kept_at AS waited
FROM snapshot_ingest.quarantine
WHERE state = 'kept' AND waiting AND id > $1
ORDER BY id
LIMIT $2;

-- name: claim
-- Claims for the time $2 those of the messages $1 that wait and that nobody else has claimed. One
-- that somebody is just claiming, replaying or dropping is theirs.
WITH free AS (
    SELECT id
    FROM snapshot_ingest.quarantine
    WHERE id = ANY ($1::bigint[]) AND state = 'kept' AND waiting
        AND coalesce(claimed_until <= clock_timestamp(), true)
    FOR UPDATE SKIP LOCKED
)
UPDATE snapshot_ingest.quarantine AS message
SET claimed_until = clock_timestamp() + $2::interval
FROM free
WHERE message.id = free.id
RETURNING message.id;

-- name: keep_for_a_person
-- Gives those of the messages $1 that wait with the ciphertext $2 the ciphertext $3: they wait
-- no more. Locks them in the order in which `keep` does, so that nobody waits for each other.
WITH locked AS (
    SELECT known.id, resealed.ciphertext
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS resealed (id, former, ciphertext)
    JOIN snapshot_ingest.quarantine AS known USING (id)
    WHERE known.state = 'kept' AND known.waiting AND known.ciphertext = resealed.former
    ORDER BY known.stream, known.stream_created_at, known.sequence, known.received_at
    FOR UPDATE OF known
)
UPDATE snapshot_ingest.quarantine AS message
SET waiting = false, ciphertext = locked.ciphertext, claimed_until = NULL
FROM locked
WHERE message.id = locked.id
RETURNING message.id;

-- name: discard_orphans
-- Drops those of the messages $1 that still wait as orphans. Locks in the same order.
WITH locked AS (
    SELECT id
    FROM snapshot_ingest.quarantine
    WHERE id = ANY ($1::bigint[]) AND state = 'kept' AND waiting AND reason = 'orphan'
    ORDER BY stream, stream_created_at, sequence, received_at
    FOR UPDATE
)
UPDATE snapshot_ingest.quarantine AS message
SET state = 'dropped', ciphertext = NULL
FROM locked
WHERE message.id = locked.id
RETURNING message.id;

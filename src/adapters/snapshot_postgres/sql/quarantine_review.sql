-- The quarantine as a person sees it.

-- name: newest
-- Up to $5 of the kept messages, the last received first; what is null asks for nothing.
SELECT id, state, stream, stream_created_at, sequence, subject, received_at, reason, detail,
    waiting, device_id, tenant_id, size_bytes
FROM snapshot_ingest.quarantine
WHERE state = 'kept'
    AND ($1::text IS NULL OR reason = $1)
    AND ($2::uuid IS NULL OR tenant_id = $2)
    AND ($3::uuid IS NULL OR device_id = $3)
    AND ($4::boolean IS NULL OR waiting = $4)
ORDER BY received_at DESC, id DESC
LIMIT $5;

-- name: select
-- All of the kept messages, the first received first; what is null asks for nothing.
SELECT id
FROM snapshot_ingest.quarantine
WHERE state = 'kept'
    AND ($1::text IS NULL OR reason = $1)
    AND ($2::uuid IS NULL OR tenant_id = $2)
    AND ($3::uuid IS NULL OR device_id = $3)
    AND ($4::boolean IS NULL OR waiting = $4)
ORDER BY received_at, id;

-- name: entries
-- The messages $1, without their ciphertexts, in the order of $1.
SELECT id, state, stream, stream_created_at, sequence, subject, received_at, reason, detail,
    waiting, device_id, tenant_id, size_bytes
FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, place)
JOIN snapshot_ingest.quarantine USING (id)
ORDER BY place;

-- name: messages
-- Those of the messages $1 that are kept, with their ciphertexts.
SELECT id, stream, stream_created_at, sequence, subject, received_at, reason, detail, waiting,
    device_id, tenant_id, size_bytes, ciphertext
FROM snapshot_ingest.quarantine
WHERE id = ANY ($1::bigint[]) AND state = 'kept';

-- name: put_aside
-- Gives those of the messages $1 that are kept the state $2, and takes their ciphertexts away.
-- Locks them in the order in which `keep` does, so that nobody waits for each other.
WITH locked AS (
    SELECT id
    FROM snapshot_ingest.quarantine
    WHERE id = ANY ($1::bigint[]) AND state = 'kept'
    ORDER BY stream, stream_created_at, sequence, received_at
    FOR UPDATE
)
UPDATE snapshot_ingest.quarantine AS message
SET state = $2, ciphertext = NULL
FROM locked
WHERE message.id = locked.id
RETURNING message.id;

-- name: forget
-- Forgets what was replayed or dropped of the stream $1, made at $2, up to the sequence $3.
SELECT snapshot_ingest.forget_settled($1, $2, $3);

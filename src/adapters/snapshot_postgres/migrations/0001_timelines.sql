-- The timelines: one head a device, one run a stored snapshot.
--
-- A run says: the device had this text from (collected_at, sequence) to (last_seen,
-- last_seen_sequence). Nothing here refers to the backend's tables by a foreign key, which would
-- put triggers on them: whether a row still exists is looked up.

-- A head is the lock of its device's timeline, and points at the newest run, so that the cost
-- of a snapshot does not grow with its device's history. All but the device is null until the
-- first snapshot is stored. Pages are left half empty, so that a moved head stays on its page
-- and touches no index.
CREATE TABLE snapshot_ingest.heads (
    device_id     uuid PRIMARY KEY,
    snapshot_id   uuid,
    tenant_id     uuid,
    digest        bytea CHECK (octet_length(digest) = 32),
    collected_at  timestamptz,
    sequence      bigint,
    CHECK (num_nulls(snapshot_id, tenant_id, digest, collected_at, sequence) IN (0, 5))
) WITH (fillfactor = 50);

-- `sequence` is the stream's; rows that snapshot-ingest did not write have 0. `flags` are those
-- of SnapshotFlag; 4 marks a copy, behind which stands no message of its own.
CREATE TABLE snapshot_ingest.snapshots (
    snapshot_id         uuid PRIMARY KEY,
    device_id           uuid NOT NULL,
    tenant_id           uuid NOT NULL,
    digest              bytea NOT NULL CHECK (octet_length(digest) = 32),
    collected_at        timestamptz NOT NULL,
    sequence            bigint NOT NULL,
    last_seen           timestamptz NOT NULL,
    last_seen_sequence  bigint NOT NULL,
    plaintext_bytes     integer NOT NULL,
    stored_bytes        integer NOT NULL,
    format              text NOT NULL,
    flags               smallint NOT NULL,
    CHECK ((last_seen, last_seen_sequence) >= (collected_at, sequence))
) WITH (fillfactor = 80);

CREATE INDEX snapshots_timeline
    ON snapshot_ingest.snapshots (device_id, collected_at DESC, sequence DESC);

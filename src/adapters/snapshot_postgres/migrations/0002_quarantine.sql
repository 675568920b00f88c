-- The quarantine: what could not be ingested, sealed whole, once by its origin.
--
-- The stream's creation time belongs to the origin, because a stream that was deleted and made
-- again counts from one again. The time of receipt belongs to the key as well: for a moment
-- after that, a message may still be given the former creation time.
CREATE TABLE snapshot_ingest.quarantine (
    stream             text NOT NULL,
    stream_created_at  timestamptz NOT NULL,
    sequence           bigint NOT NULL,
    subject            text NOT NULL,
    received_at        timestamptz NOT NULL,
    reason             text NOT NULL,
    detail             text NOT NULL,
    waiting            boolean NOT NULL,
    device_id          uuid,
    tenant_id          uuid,
    size_bytes         bigint NOT NULL,
    ciphertext         text NOT NULL,
    kept_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, stream_created_at, sequence, received_at)
);

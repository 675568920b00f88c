-- How far each consumer had settled its stream: JetStream forgets it with the consumer.
--
-- Either may be deleted and made again, so each goes with its creation time. Every sequence is
-- the stream's. The columns beside `sequence` are what the next look is compared with.
CREATE TABLE snapshot_ingest.ack_floors (
    stream               text NOT NULL,
    consumer             text NOT NULL,
    stream_created_at    timestamptz NOT NULL,
    consumer_created_at  timestamptz NOT NULL,
    sequence             bigint NOT NULL,
    delivered_sequence   bigint NOT NULL,
    deliveries           bigint NOT NULL,
    pending              bigint NOT NULL,
    first_sequence       bigint NOT NULL,
    last_sequence        bigint NOT NULL,
    at                   timestamptz NOT NULL,
    PRIMARY KEY (stream, consumer)
);

-- The quarantine for people: a number to call a message by, and what became of it.
--
-- A message that was replayed or dropped stays as a row without its ciphertext, so that a
-- redelivery of the same message finds it and is not kept anew.
ALTER TABLE snapshot_ingest.quarantine
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN state text NOT NULL DEFAULT 'kept',
    ALTER COLUMN ciphertext DROP NOT NULL,
    ADD CONSTRAINT quarantine_id UNIQUE (id),
    ADD CONSTRAINT quarantine_state CHECK (state IN ('kept', 'replayed', 'dropped')),
    ADD CONSTRAINT quarantine_ciphertext CHECK ((state = 'kept') = (ciphertext IS NOT NULL));

-- People look at what is kept, the newest first, and replay it, the oldest first.
CREATE INDEX quarantine_kept ON snapshot_ingest.quarantine (received_at, id)
    WHERE state = 'kept';

-- Positions: each stored snapshot carries the transaction that stored it, so that whoever wants to
-- know of all of them can read on from where he was, and what is committed late is not passed over:
-- nobody reads past the oldest transaction that still runs.
--
-- The column and its default are set apart, so that no row is written anew. Rows from before have
-- none and lie before all positions, and so must those that others wrote and that are taken into
-- the timelines later: their `stored_in` is to be null.
ALTER TABLE snapshot_ingest.snapshots ADD COLUMN stored_in xid8;
ALTER TABLE snapshot_ingest.snapshots ALTER COLUMN stored_in SET DEFAULT pg_current_xact_id();

-- A copy (4) is no snapshot of its own: the late one that made it names it. Rows that others wrote
-- have no sequence. What one transaction stored is one list in the index, which is why nothing
-- else is a column of it.
CREATE INDEX snapshots_stored_in ON snapshot_ingest.snapshots (stored_in)
    WHERE stored_in IS NOT NULL AND flags & 4 = 0 AND sequence > 0;

-- How far each listener with a name has been told, all that was stored in the transaction included,
-- and the process that tells it now.
CREATE TABLE snapshot_ingest.positions (
    name         text PRIMARY KEY,
    transaction  xid8 NOT NULL,
    holder       uuid,
    held_until   timestamptz,
    CHECK (num_nulls(holder, held_until) IN (0, 2))
) WITH (fillfactor = 50);

-- Whole transactions after this one, as many as hold so many snapshots or just more, in order, and
-- within one in order of time: so one device's late snapshots come in the order in which they were
-- stored. Each with its neighbours in its timeline as they were when it was stored: of what one
-- transaction stored, the earlier came first, and copies before the late one that made them.
CREATE FUNCTION snapshot_ingest.stored_since(after_transaction xid8, how_many integer)
RETURNS TABLE (
    stored_in xid8, snapshot_id uuid, device_id uuid, tenant_id uuid, digest bytea,
    digest_key uuid, collected_at timestamptz, sequence bigint, plaintext_bytes integer,
    stored_bytes integer, format text, previous_id uuid, next_id uuid)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    oldest_running xid8 := pg_snapshot_xmin(pg_current_snapshot());
    last_transaction xid8;
BEGIN
    IF after_transaction >= pg_snapshot_xmax(pg_current_snapshot()) THEN
        RAISE EXCEPTION 'the position is of another database' USING ERRCODE = 'SI005';
    END IF;
    SELECT max(page.stored_in) INTO last_transaction
    FROM (
        SELECT s.stored_in
        FROM snapshot_ingest.snapshots AS s
        WHERE s.stored_in IS NOT NULL AND s.flags & 4 = 0 AND s.sequence > 0
            AND s.stored_in > after_transaction AND s.stored_in < oldest_running
        ORDER BY s.stored_in
        LIMIT how_many
    ) AS page;
    RETURN QUERY
        SELECT run.stored_in, run.snapshot_id, run.device_id, run.tenant_id, run.digest,
            run.digest_key, run.collected_at, run.sequence, run.plaintext_bytes,
            run.stored_bytes, run.format, previous.snapshot_id, following.snapshot_id
        FROM snapshot_ingest.snapshots AS run
        LEFT JOIN LATERAL (
            SELECT p.snapshot_id
            FROM snapshot_ingest.snapshots AS p
            WHERE p.device_id = run.device_id
                AND (p.collected_at, p.sequence) <= (run.collected_at, run.sequence)
                AND p.snapshot_id <> run.snapshot_id
                AND coalesce(p.stored_in <= run.stored_in, true)
            ORDER BY p.collected_at DESC, p.sequence DESC, p.snapshot_id DESC
            LIMIT 1
        ) AS previous ON true
        LEFT JOIN LATERAL (
            SELECT f.snapshot_id
            FROM snapshot_ingest.snapshots AS f
            WHERE f.device_id = run.device_id
                AND (f.collected_at, f.sequence) > (run.collected_at, run.sequence)
                AND coalesce(
                    f.stored_in < run.stored_in
                        OR (f.stored_in = run.stored_in AND f.flags & 4 <> 0), true)
            ORDER BY f.collected_at, f.sequence, f.snapshot_id
            LIMIT 1
        ) AS following ON true
        WHERE run.stored_in IS NOT NULL AND run.flags & 4 = 0 AND run.sequence > 0
            AND run.stored_in > after_transaction AND run.stored_in <= last_transaction
        ORDER BY run.stored_in, run.collected_at, run.sequence, run.snapshot_id;
END
$$;

-- Looking and storing as before (0014), in one pass over the batch, however many tenants it names.
--
-- Row-level security asks for `app.current_tenant` at each single row. So a statement may change
-- the tenant from row to row: it sets it where it makes the row that is looked for or inserted.
-- Should a server ever do that in another order, an insert is refused by the policy, and a look
-- finds too little, never too much: what it does not find is looked for again, tenant by tenant,
-- before it is taken for gone.
--
-- Arrays are passed from function to function as plpgsql keeps them, taken apart once; under a
-- generic plan `texts[n]` goes to its element directly. A plan with the arrays' values in it would
-- walk over all texts before it, for each.

CREATE OR REPLACE FUNCTION snapshot_ingest.unchanged(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[], digests bytea[],
    plain_digests bytea[])
RETURNS TABLE (item integer, same boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT asked.n::integer,
            coalesce(
                CASE WHEN (asked.at, asked.sequence) >= (head.collected_at, head.sequence)
                    THEN head.digest IN (asked.digest, asked.plain)
                        AND head.tenant_id = asked.tenant
                    ELSE earlier.digest IN (asked.digest, asked.plain)
                        AND earlier.tenant_id = asked.tenant
                END, false)
        FROM unnest(devices, tenants, times, sequences, digests, plain_digests)
            WITH ORDINALITY AS asked (device, tenant, at, sequence, digest, plain, n)
        LEFT JOIN snapshot_ingest.heads AS head ON head.device_id = asked.device
        LEFT JOIN LATERAL (
            SELECT run.digest, run.tenant_id
            FROM snapshot_ingest.snapshots AS run
            WHERE (asked.at, asked.sequence) < (head.collected_at, head.sequence)
                AND run.device_id = asked.device
                AND (run.collected_at, run.sequence) <= (asked.at, asked.sequence)
            ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
            LIMIT 1
        ) AS earlier ON true;
END
$$;

-- Each device is looked up by its key, and LIMIT keeps it so. Before the backend's table is
-- analysed the planner takes its policy to hide nearly all of it, and would else walk over the
-- whole table for each device that is asked for.
CREATE OR REPLACE FUNCTION snapshot_ingest.owners(devices uuid[])
RETURNS TABLE (device uuid, owner uuid)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN QUERY
        SELECT found.id, found.tenant_id
        FROM unnest(devices) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT d.id, d.tenant_id FROM public.devices AS d WHERE d.id = wanted.id LIMIT 1
        ) AS found;
END
$$;

-- The items whose devices are their tenants'.
CREATE OR REPLACE FUNCTION snapshot_ingest.owned_items(devices uuid[], tenants uuid[])
RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', 'super_admin', true);
    RETURN ARRAY(
        SELECT n
        FROM generate_subscripts(devices, 1) AS n
        CROSS JOIN LATERAL (
            SELECT d.tenant_id FROM public.devices AS d WHERE d.id = devices[n] LIMIT 1
        ) AS found
        WHERE found.tenant_id = tenants[n]);
END
$$;

DROP FUNCTION snapshot_ingest.store_newest(
    integer[], uuid[], uuid[], timestamptz[], bigint[], bytea[], uuid[], bytea[], text[], text[],
    integer[], smallint[]);
DROP FUNCTION snapshot_ingest.still_there(integer[], uuid, uuid[], bytea[], bytea[]);
DROP FUNCTION snapshot_ingest.refuse_other_keys(uuid[], uuid[]);

-- So many new ids for rows, in the form of version 7: the time in milliseconds, then chance. What
-- is made together stands together in the indexes, however many rows there are: few pages are
-- touched, and few are written whole after a checkpoint.
CREATE FUNCTION snapshot_ingest.new_ids(how_many bigint) RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    made_at bytea := substring(
        int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3);
BEGIN
    -- The 4 of a random id's version becomes a 7.
    RETURN ARRAY(
        SELECT encode(set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid()) PLACING made_at FROM 1), 52, 1), 53, 1), 'hex')::uuid
        FROM generate_series(1, how_many));
END
$$;

-- Gives each device a head and locks it until the transaction ends. Always in the order of the
-- devices, for new heads and then for all, so that no two workers wait for each other: nothing is
-- locked yet when new heads are made.
CREATE OR REPLACE FUNCTION snapshot_ingest.lock_heads(devices uuid[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    wanted uuid[] := ARRAY(SELECT DISTINCT device FROM unnest(devices) AS device ORDER BY device);
    locked integer;
BEGIN
    -- Nobody waits for ever, and a worker that hangs lets go of the heads before those who wait
    -- for it give up.
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM set_config('idle_in_transaction_session_timeout', '4s', true);

    -- Nearly always all of them are there, and counting them is the cheapest way to know.
    IF cardinality(wanted) > (
        SELECT count(*) FROM snapshot_ingest.heads AS head WHERE head.device_id = ANY (wanted))
    THEN
        INSERT INTO snapshot_ingest.heads (device_id)
        SELECT device FROM unnest(wanted) AS device
        WHERE NOT EXISTS (
            SELECT FROM snapshot_ingest.heads AS head WHERE head.device_id = device)
        ORDER BY device
        ON CONFLICT DO NOTHING;
    END IF;

    PERFORM FROM snapshot_ingest.heads AS head
    WHERE head.device_id = ANY (wanted)
    ORDER BY head.device_id
    FOR UPDATE;

    -- Somebody may have deleted a head in between (a tenant is shredded): then all is done anew.
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < cardinality(wanted) THEN
        RAISE EXCEPTION 'a head was deleted while it was waited for'
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

-- Where an item lies in its device's timeline: whether it is the only one of its device in the
-- batch and lies after the end of the device's newest run; that run; whether it has that run's
-- text and tenant; if all that is so, whether the run's row was found; and whether the head's
-- digest is a keyed one.
CREATE TYPE snapshot_ingest.place AS (
    item integer, is_newest boolean, newest_run uuid, is_same boolean, has_row boolean,
    is_keyed boolean);

-- The places of the items. The heads are locked before.
CREATE FUNCTION snapshot_ingest.places(
    items integer[], devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], plain_digests bytea[])
RETURNS SETOF snapshot_ingest.place
LANGUAGE plpgsql AS $$
BEGIN
    -- OFFSET 0 keeps each tenant's setting below the look at the row, and so before it.
    RETURN QUERY
        SELECT place.n, place.is_newest, place.newest_run, place.is_same,
            r.id IS NOT NULL, place.is_keyed
        FROM (
            SELECT placed.*, CASE WHEN placed.is_newest AND placed.is_same THEN
                set_config('app.current_tenant', tenants[placed.n]::text, true)::uuid
            END AS looks_as
            FROM (
                SELECT n, head.snapshot_id AS newest_run,
                    count(*) OVER (PARTITION BY devices[n]) = 1 AND coalesce(
                        (run.last_seen, run.last_seen_sequence) < (times[n], sequences[n]),
                        head.snapshot_id IS NULL) AS is_newest,
                    coalesce(head.digest IN (digests[n], plain_digests[n])
                        AND head.tenant_id = tenants[n], false) AS is_same,
                    head.digest_key IS NOT NULL AS is_keyed
                FROM unnest(items) AS n
                JOIN snapshot_ingest.heads AS head ON head.device_id = devices[n]
                LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = head.snapshot_id
            ) AS placed
            OFFSET 0
        ) AS place
        LEFT JOIN public.router_config_snapshots AS r
            ON r.id = CASE WHEN place.looks_as IS NOT NULL THEN place.newest_run END
                AND r.tenant_id = place.looks_as;
END
$$;

-- The same places, after each row that was not found was looked for once more: tenant by tenant,
-- each in a statement of its own. Rows are gone seldom, since others delete them by their age.
CREATE FUNCTION snapshot_ingest.looked_again(places snapshot_ingest.place[], tenants uuid[])
RETURNS snapshot_ingest.place[]
LANGUAGE plpgsql AS $$
DECLARE
    found integer[] := '{}';
    tenant uuid;
BEGIN
    FOR tenant IN
        SELECT DISTINCT tenants[p.item] FROM unnest(places) AS p
        WHERE p.is_newest AND p.is_same AND NOT p.has_row
    LOOP
        PERFORM set_config('app.current_tenant', tenant::text, true);
        found := found || ARRAY(
            SELECT p.item FROM unnest(places) AS p
            JOIN public.router_config_snapshots AS r ON r.id = p.newest_run
            WHERE p.is_newest AND p.is_same AND NOT p.has_row AND tenants[p.item] = tenant);
    END LOOP;
    RETURN ARRAY(
        SELECT (p.item, p.is_newest, p.newest_run, p.is_same,
            p.has_row OR p.item = ANY (found), p.is_keyed)::snapshot_ingest.place
        FROM unnest(places) AS p);
END
$$;

-- Raises where a digest would be stored that is not under the kept key: it could not be compared
-- with those that are, and every text would be stored once more. The heads were read before:
-- whoever finds a keyed one sees the key too, because that was committed first.
CREATE FUNCTION snapshot_ingest.refuse_other_keys(digest_keys uuid[], keyed_heads boolean)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    kept uuid := (SELECT digest_key_id FROM snapshot_ingest.digest_keys);
BEGIN
    IF kept IS NULL AND (keyed_heads OR array_remove(digest_keys, NULL) <> '{}') THEN
        RAISE EXCEPTION 'the key of these digests is gone' USING ERRCODE = 'SI002';
    END IF;
    IF kept IS NOT NULL AND EXISTS (
        SELECT FROM unnest(digest_keys) AS used (key) WHERE used.key IS DISTINCT FROM kept)
    THEN
        RAISE EXCEPTION 'digests are under another key here' USING ERRCODE = 'SI001';
    END IF;
END
$$;

-- Adds rows and runs for items that each are the newest of their devices, and moves the heads.
-- `befores` are the runs that were the newest until now, in the items' order.
CREATE FUNCTION snapshot_ingest.store_newest(
    items integer[], befores uuid[],
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
DECLARE
    new_ids uuid[] := snapshot_ingest.new_ids(cardinality(items));
BEGIN
    -- Each row's own tenant is set as the row is made, and checked by the policy as it is taken.
    INSERT INTO public.router_config_snapshots
        (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
    SELECT new_ids[k], devices[n], set_config('app.current_tenant', tenants[n]::text, true)::uuid,
        ciphertexts[n], encode(digests[n], 'hex'), times[n]
    FROM unnest(items) WITH ORDINALITY AS item (n, k);

    INSERT INTO snapshot_ingest.snapshots
        (snapshot_id, device_id, tenant_id, digest, digest_key, collected_at, sequence,
         last_seen, last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
    SELECT new_ids[k], devices[n], tenants[n], digests[n], digest_keys[n], times[n], sequences[n],
        times[n], sequences[n], sizes[n], octet_length(ciphertexts[n]), formats[n], marks[n]
    FROM unnest(items) WITH ORDINALITY AS item (n, k);

    UPDATE snapshot_ingest.heads AS head
    SET snapshot_id = new_ids[k], tenant_id = tenants[n], digest = digests[n],
        digest_key = digest_keys[n], collected_at = times[n], sequence = sequences[n]
    FROM unnest(items) WITH ORDINALITY AS item (n, k)
    WHERE head.device_id = devices[n];

    RETURN QUERY
        SELECT n, 'stored', new_ids[k], befores[k], NULL::uuid
        FROM unnest(items) WITH ORDINALITY AS item (n, k);
END
$$;

-- Moves the ends of these runs to the times of the items that found them unchanged.
CREATE FUNCTION snapshot_ingest.move_ends(
    items integer[], runs uuid[], times timestamptz[], sequences bigint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE snapshot_ingest.snapshots AS run
    SET last_seen = times[n], last_seen_sequence = sequences[n]
    FROM unnest(items, runs) AS item (n, moved)
    WHERE run.snapshot_id = item.moved;
    RETURN QUERY
        SELECT n, 'unchanged', NULL::uuid, NULL::uuid, NULL::uuid FROM unnest(items) AS n;
END
$$;

-- Decides every item of a batch; one answer an item, in no order.
CREATE OR REPLACE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    owned integer[] := snapshot_ingest.owned_items(devices, tenants);
    places snapshot_ingest.place[];
    stored integer[];
    befores uuid[];
    unchanged integer[];
    runs uuid[];
    without_text integer[];
    elsewhere integer[];
    n integer;
BEGIN
    -- An acknowledgement follows the commit, so the commit must be on disk, whatever the
    -- role's default.
    PERFORM set_config('synchronous_commit', 'on', true);
    -- A constraint that the backend defers would otherwise refuse the whole commit.
    SET CONSTRAINTS ALL IMMEDIATE;

    PERFORM snapshot_ingest.lock_heads(ARRAY(SELECT devices[i] FROM unnest(owned) AS i));
    places := ARRAY(
        SELECT p FROM snapshot_ingest.places(
            owned, devices, tenants, times, sequences, digests, plain_digests) AS p);
    PERFORM snapshot_ingest.refuse_other_keys(
        digest_keys, EXISTS (SELECT FROM unnest(places) AS p WHERE p.is_keyed));
    IF EXISTS (
        SELECT FROM unnest(places) AS p WHERE p.is_newest AND p.is_same AND NOT p.has_row)
    THEN
        places := snapshot_ingest.looked_again(places, tenants);
    END IF;

    SELECT
        array_agg(p.item) FILTER (WHERE p.answer = 'unchanged'),
        array_agg(p.newest_run) FILTER (WHERE p.answer = 'unchanged'),
        array_agg(p.item) FILTER (WHERE p.answer = 'stored'),
        array_agg(p.newest_run) FILTER (WHERE p.answer = 'stored'),
        array_agg(p.item) FILTER (WHERE p.answer = 'needs_ciphertext'),
        array_agg(p.item) FILTER (WHERE p.answer = 'elsewhere')
    INTO unchanged, runs, stored, befores, without_text, elsewhere
    FROM (
        SELECT place.*,
            CASE
                WHEN NOT place.is_newest THEN 'elsewhere'
                WHEN place.has_row THEN 'unchanged'
                WHEN ciphertexts[place.item] IS NULL THEN 'needs_ciphertext'
                ELSE 'stored'
            END AS answer
        FROM unnest(places) AS place
    ) AS p;

    IF unchanged IS NOT NULL THEN
        RETURN QUERY SELECT * FROM snapshot_ingest.move_ends(unchanged, runs, times, sequences);
    END IF;
    IF stored IS NOT NULL THEN
        RETURN QUERY SELECT * FROM snapshot_ingest.store_newest(
            stored, befores, devices, tenants, times, sequences, digests, digest_keys,
            ciphertexts, formats, sizes, marks);
    END IF;
    FOR n IN
        SELECT i FROM unnest(elsewhere) AS i ORDER BY devices[i], times[i], sequences[i], i
    LOOP
        RETURN NEXT snapshot_ingest.store_in_place(
            n, devices[n], tenants[n], times[n], sequences[n],
            digests[n], digest_keys[n], plain_digests[n],
            ciphertexts[n], formats[n], sizes[n], marks[n]);
    END LOOP;

    RETURN QUERY
        SELECT i, 'needs_ciphertext', NULL::uuid, NULL::uuid, NULL::uuid
        FROM unnest(without_text) AS i;
    RETURN QUERY
        SELECT i, 'orphan', NULL::uuid, NULL::uuid, NULL::uuid
        FROM (SELECT generate_subscripts(devices, 1) EXCEPT SELECT unnest(owned)) AS rest (i);
END
$$;

-- The same as the `store_batch` that it calls, and keeps the data keys of the batch's ciphertexts,
-- all in one transaction. The keys come last, in the order of their ids: whoever waits for
-- another worker's key holds his heads already, as that worker does.
--
-- A call without BEGIN is a transaction by itself, in the session's isolation. Any but READ
-- COMMITTED would show each statement what there was before it waited for the heads.
CREATE OR REPLACE FUNCTION snapshot_ingest.store_batch(
    devices uuid[], tenants uuid[], times timestamptz[], sequences bigint[],
    digests bytea[], digest_keys uuid[], plain_digests bytea[],
    ciphertexts text[], formats text[], sizes integer[], marks smallint[],
    data_key_ids uuid[], data_key_tenants uuid[], wrapped_keys text[])
RETURNS SETOF snapshot_ingest.store_answer
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a batch is stored in a transaction that is READ COMMITTED'
            USING ERRCODE = 'SI004';
    END IF;
    RETURN QUERY SELECT * FROM snapshot_ingest.store_batch(
        devices, tenants, times, sequences, digests, digest_keys, plain_digests,
        ciphertexts, formats, sizes, marks);
    INSERT INTO snapshot_ingest.data_keys (data_key_id, tenant_id, wrapped_key)
    SELECT made.id, made.tenant, made.wrapped
    FROM unnest(data_key_ids, data_key_tenants, wrapped_keys) AS made (id, tenant, wrapped)
    WHERE NOT EXISTS (
        SELECT FROM snapshot_ingest.data_keys AS known WHERE known.data_key_id = made.id)
    ORDER BY made.id
    ON CONFLICT DO NOTHING;
END
$$;

-- What a new connection is asked. The numbers of the first two are written into the text: prepared
-- statements are what these questions are about.

-- name: is_direct
-- One row if the session is the one that the connection was told of; none if a pooler stands in
-- between.
SELECT WHERE pg_catalog.pg_backend_pid() = {pid};

-- name: keeps_statements
-- Whether whoever asks lets the session keep this very statement under a name.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_prepared_statements AS kept
    WHERE position('asked as {pid}' IN kept.statement) > 0);

-- name: plain_types
-- What it is given, in the types that the adapters use.
SELECT $1::uuid, $2::uuid[], $3::bytea, $4::bytea[], $5::text, $6::text[], $7::boolean,
    $8::boolean[], $9::integer, $10::bigint, $11::bigint[], $12::timestamptz, $13::timestamptz[],
    $14::interval;

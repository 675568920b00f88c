-- What a new connection is asked. The numbers are written into the text: prepared statements are
-- what these questions are about.

-- name: is_direct
-- One row if the session is the one that the connection was told of; none if a pooler stands in
-- between.
SELECT WHERE pg_catalog.pg_backend_pid() = {pid};

-- name: keeps_statements
-- Whether whoever asks lets the session keep this very statement under a name.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_prepared_statements AS kept
    WHERE position('asked as {pid}' IN kept.statement) > 0);

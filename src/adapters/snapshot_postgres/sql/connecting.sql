-- What a new connection is asked.

-- name: is_direct
-- One row if the session is the one that the connection was told of; none if a pooler stands in
-- between. Sent as text with the number in it: a prepared statement would not do.
SELECT WHERE pg_catalog.pg_backend_pid() = {pid};

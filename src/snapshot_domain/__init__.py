"""The core of snapshot-ingest: what a snapshot is, what becomes of it, and who is needed for that.

Pure: the standard library and attrs, no I/O. The outside world is reached through
`snapshot_domain.ports`; the use case is `snapshot_domain.ingest.IngestSnapshot`, and
`snapshot_domain.worker.Worker` is the loop around it.
"""

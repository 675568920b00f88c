"""The commands of `snapshot-ingest`, one module each. They are imported only when they are run."""

"""The bare stages, each in a process: `python -m snapshot_ingest.bench.floors` runs one."""

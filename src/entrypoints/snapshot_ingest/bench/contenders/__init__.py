"""The programs that are measured: `python -m snapshot_ingest.bench.contenders` runs each."""

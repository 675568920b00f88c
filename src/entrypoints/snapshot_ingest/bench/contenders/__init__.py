"""The programs that are measured. Each is a process: `python -m snapshot_ingest.bench.contenders`."""

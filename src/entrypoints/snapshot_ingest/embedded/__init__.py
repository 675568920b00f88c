"""`snapshot-ingest up`: everything on one machine, on an embedded stack of the real servers."""

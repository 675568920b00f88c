"""Where ports meet adapters: settings, composition, the command, HTTP, and the embedded servers.

To embed: `snapshot_ingest.ingestion.open_ingestion`, with `snapshot_ingest.settings`. Importing
this package imports nothing else.
"""

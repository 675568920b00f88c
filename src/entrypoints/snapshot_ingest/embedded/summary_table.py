"""The summary as a person reads it: each figure with what it means."""

from rich.table import Table

from snapshot_ingest.embedded.summary import Summary

_MEANINGS = {
    "published": "messages that were there to ingest",
    "stored": "a first snapshot or a change: encrypted",
    "unchanged": "nothing new: only its last-seen time moved",
    "malformed": "no snapshot at all: in the quarantine",
    "orphaned": "unknown device or foreign tenant: in the quarantine",
    "refused": "refused for another reason: in the quarantine",
    "redelivered": "deliveries beyond the first",
    "backlog": "not settled yet",
    "seconds": "from the first message to the last settlement",
    "messages_per_second": "on this machine, with everything on it",
}


def summary_table(summary: Summary) -> Table:
    """A row a figure."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, value in summary.as_dict().items():
        table.add_row(name.replace("_", " "), f"{value:,}", _MEANINGS[name])
    return table

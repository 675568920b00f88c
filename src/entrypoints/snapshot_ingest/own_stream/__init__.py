"""A stream for snapshots alone: what it is asked for by, and how large it must be."""

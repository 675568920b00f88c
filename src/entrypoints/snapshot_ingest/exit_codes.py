"""What the process ends with, beside 0."""

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""Told to stop at once."""

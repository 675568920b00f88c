"""Existing rows brought into the timelines, on the real server: how long, and at whose cost."""

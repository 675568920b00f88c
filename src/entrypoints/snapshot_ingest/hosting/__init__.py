"""Ingestion inside another service's process: it never costs the host its start, and heals."""

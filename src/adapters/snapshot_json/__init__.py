"""SnapshotDecoder for the JSON that the poller sends."""

from snapshot_json.decoder import JsonSnapshotDecoder

__all__ = ["JsonSnapshotDecoder"]

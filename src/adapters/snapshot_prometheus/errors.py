"""What can go wrong when metrics are registered."""

from snapshot_domain.errors import SnapshotIngestError


class MetricNameTaken(SnapshotIngestError):
    """The registry already holds a metric of that name; none of ours was registered."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the metric {name} is already in this Prometheus registry",
            expected="a registry in which nobody else defines our metrics, and only once",
            next_step="pass another CollectorRegistry, or remove the module that defines it",
        )

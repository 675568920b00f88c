"""A simulated fleet of routers: the same messages for the same seed, on any machine."""

from snapshot_ingest.simulator.fleet import Fleet, SimulatedDevice, SimulatedTenant
from snapshot_ingest.simulator.history import Rates
from snapshot_ingest.simulator.rounds import (
    Expected,
    SimulatedMessage,
    Simulation,
    Totals,
    start_that_ends_at,
)

__all__ = [
    "Expected",
    "Fleet",
    "Rates",
    "SimulatedDevice",
    "SimulatedMessage",
    "SimulatedTenant",
    "Simulation",
    "Totals",
    "start_that_ends_at",
]

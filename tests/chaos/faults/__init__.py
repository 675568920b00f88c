"""What each kind of fault does to the world, and how it is mended."""

from collections.abc import Mapping

from chaos.faults import consumer, links, nats, openbao, postgres, workers
from chaos.faults.fault import Fault, MakeFault
from chaos.plan import FaultKind, Strike
from chaos.world import World

FAULTS: Mapping[FaultKind, MakeFault] = {
    FaultKind.WORKER_KILLED: workers.WorkerKilled,
    FaultKind.WORKER_FROZEN: workers.WorkerFrozen,
    FaultKind.WORKER_LEFT_BEHIND: workers.WorkerFrozen,
    FaultKind.NATS_LEADER_KILLED: nats.LeaderKilled,
    FaultKind.NATS_NODE_KILLED: nats.NodeKilled,
    FaultKind.NATS_QUORUM_LOST: nats.QuorumLost,
    FaultKind.CONSUMER_DELETED: consumer.ConsumerDeleted,
    FaultKind.CONSUMER_DELETED_WORKER_KILLED: consumer.ConsumerDeletedWorkerKilled,
    FaultKind.POSTGRES_KILLED: postgres.PostgresKilled,
    FaultKind.POSTGRES_FULL: postgres.PostgresFull,
    FaultKind.OPENBAO_KILLED: openbao.OpenBaoKilled,
    FaultKind.OPENBAO_SEALED: openbao.OpenBaoSealed,
    FaultKind.LINKS_CUT: links.LinksCut,
    FaultKind.LINKS_REFUSED: links.LinksRefused,
    FaultKind.LINKS_DELAYED: links.LinksDelayed,
}
"""How each kind of fault is made."""


def fault_of(strike: Strike, world: World) -> Fault:
    """The fault that the plan asks for, still to strike."""
    return FAULTS[strike.kind](strike, world)


__all__ = ["FAULTS", "Fault", "fault_of"]

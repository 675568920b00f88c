"""A worker is killed and another one started in its place, or is frozen for a while."""

from attrs import frozen

from chaos.plan import Strike
from chaos.workers import Worker
from chaos.world import World


@frozen
class WorkerKilled:
    """kill -9 with messages in its hand; the next one must start from nothing."""

    plan: Strike
    world: World

    @property
    def worker(self) -> Worker:
        """The one that the plan names."""
        workers = self.world.crew.workers
        return workers[self.plan.place % len(workers)]

    async def strike(self) -> None:
        """See Fault."""
        self.worker.kill()

    async def mend(self) -> None:
        """See Fault."""
        self.worker.start()


@frozen
class WorkerFrozen(WorkerKilled):
    """SIGSTOP: it holds its messages and its connections, and answers nobody."""

    async def strike(self) -> None:
        """See Fault."""
        self.worker.freeze()

    async def mend(self) -> None:
        """See Fault."""
        self.worker.thaw()

"""The consumer is deleted behind the workers' back."""

from attrs import frozen

from chaos.faults.workers import WorkerKilled
from chaos.world import World


@frozen
class ConsumerDeleted(WorkerKilled):
    """What is in hand is settled with a consumer that is there no more."""

    async def strike(self) -> None:
        """See Fault."""
        await delete_consumer(self.world)

    async def mend(self) -> None:
        """Nothing: the workers make it again."""


@frozen
class ConsumerDeletedWorkerKilled(WorkerKilled):
    """Nobody but the kept ack floor knows of what the dead worker had in its hand."""

    async def strike(self) -> None:
        """See Fault."""
        await super().strike()
        await delete_consumer(self.world)


async def delete_consumer(world: World) -> None:
    """As somebody with an administrator's rights does it by mistake."""
    await world.answer(lambda: world.jetstream.delete_consumer(world.stream, world.consumer))

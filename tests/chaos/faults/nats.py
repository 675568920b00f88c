"""NATS nodes are killed: the stream's leader, another one, or so many that none can lead."""

from collections.abc import Sequence

from attrs import frozen

from chaos.cluster import NatsNode
from chaos.plan import Strike
from chaos.world import World


@frozen
class _NodesKilled:
    """kill -9 of some nodes, and their start."""

    plan: Strike
    world: World

    async def strike(self) -> None:
        """See Fault."""
        for node in await self._nodes():
            await node.kill()

    async def mend(self) -> None:
        """See Fault."""
        await self.world.cluster.start()

    async def _nodes(self) -> Sequence[NatsNode]:
        raise NotImplementedError

    async def _leader(self) -> NatsNode:
        world = self.world
        info = await world.answer(lambda: world.jetstream.stream_info(world.stream))
        assert info.cluster is not None
        assert info.cluster.leader is not None
        return world.cluster.named(info.cluster.leader)

    async def _others(self) -> Sequence[NatsNode]:
        """All but the leader, from the plan's place on."""
        leader = await self._leader()
        others = [node for node in self.world.cluster.nodes if node is not leader]
        first = self.plan.place % len(others)
        return [*others[first:], *others[:first]]


class LeaderKilled(_NodesKilled):
    """The node that takes the stream's messages: the others elect another."""

    async def _nodes(self) -> Sequence[NatsNode]:
        return [await self._leader()]


class NodeKilled(_NodesKilled):
    """A node that only follows; the consumer's leader may be there."""

    async def _nodes(self) -> Sequence[NatsNode]:
        return (await self._others())[:1]


class QuorumLost(_NodesKilled):
    """Two of three, the leader among them: nothing can be published or settled."""

    async def _nodes(self) -> Sequence[NatsNode]:
        return [await self._leader(), *(await self._others())[:1]]

"""The connections to a server are cut, cut and refused, or slow."""

from collections.abc import Sequence

from attrs import frozen

from chaos.plan import Strike
from chaos.proxy import Proxy
from chaos.world import World


@frozen
class LinksCut:
    """All at once, in the middle of what they carry; new ones are possible at once."""

    plan: Strike
    world: World

    @property
    def proxies(self) -> Sequence[Proxy]:
        """Those before the server that the plan names."""
        return self.world.proxies[self.plan.target]

    async def strike(self) -> None:
        """See Fault."""
        for proxy in self.proxies:
            await proxy.cut()

    async def mend(self) -> None:
        """Nothing: they may connect again."""


@frozen
class LinksRefused(LinksCut):
    """No new one for a while either."""

    async def strike(self) -> None:
        """See Fault."""
        for proxy in self.proxies:
            proxy.is_refusing = True
        await super().strike()

    async def mend(self) -> None:
        """See Fault."""
        for proxy in self.proxies:
            proxy.is_refusing = False


@frozen
class LinksDelayed(LinksCut):
    """Every piece of data is held up, far longer than usual."""

    async def strike(self) -> None:
        """See Fault."""
        for proxy in self.proxies:
            proxy.delay_seconds = self.plan.delay_seconds

    async def mend(self) -> None:
        """See Fault."""
        for proxy in self.proxies:
            proxy.delay_seconds = proxy.usual_delay_seconds

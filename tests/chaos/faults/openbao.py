"""OpenBao is killed, or sealed."""

from attrs import frozen

from chaos.plan import Strike
from chaos.world import World


@frozen
class OpenBaoKilled:
    """kill -9; its next start unseals it."""

    plan: Strike
    world: World

    async def strike(self) -> None:
        """See Fault."""
        await self.world.stack.kill("openbao")

    async def mend(self) -> None:
        """See Fault."""
        await self.world.stack.start("openbao")


@frozen
class OpenBaoSealed(OpenBaoKilled):
    """It answers, and does nothing. What unseals a static seal is another start."""

    async def strike(self) -> None:
        """See Fault."""
        await self.world.openbao.call("PUT", "sys/seal")

    async def mend(self) -> None:
        """See Fault."""
        await self.world.stack.restart("openbao")

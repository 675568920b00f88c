"""What a fault is: it strikes once, and is mended once."""

from typing import Protocol

from chaos.plan import Strike
from chaos.world import World


class Fault(Protocol):
    """One fault of the plan. A mend returns when the world could work again."""

    async def strike(self) -> None:
        """Lets it happen."""
        ...

    async def mend(self) -> None:
        """Makes the world whole."""
        ...


class MakeFault(Protocol):
    """How a fault is made from the plan."""

    def __call__(self, strike: Strike, world: World, /) -> Fault:
        """The fault, still to strike."""
        ...

"""KeptPositions: how far each listener with a name has been told, kept across restarts."""

from datetime import timedelta
from typing import NewType, Protocol
from uuid import UUID

from snapshot_domain.model import StoredPosition

HolderId = NewType("HolderId", UUID)
"""One process's listener, among all that have its name."""


class KeptPositions(Protocol):
    """A position for each name, claimed by one holder at a time.

    Times are the store's own. Raises `Unavailable` when it does not answer, and `Misconfigured`
    when an operator must act.
    """

    async def claim(self, name: str, holder: HolderId, lasts: timedelta) -> StoredPosition | None:
        """The position kept under the name, which is the holder's alone for so long.

        None while another holds it. A name that is new begins before all positions.
        """
        ...

    async def move(
        self, name: str, holder: HolderId, position: StoredPosition, lasts: timedelta
    ) -> bool:
        """Keeps the position and the claim for so long; false if the holder has the claim no more.

        A position never goes back: a lower one changes nothing, and is answered with false.
        """
        ...

    async def let_go(self, name: str, holder: HolderId) -> None:
        """Gives up the holder's claim, if it has it, so that another need not wait for its end."""
        ...

"""The contract of KeptPositions, for any adapter to subclass."""

from datetime import timedelta
from uuid import uuid4

import pytest

from snapshot_domain.model import BEFORE_ALL, StoredPosition
from snapshot_domain.ports import HolderId, KeptPositions

_LONG = timedelta(minutes=10)
_OVER = timedelta(0)


class KeptPositionsContract:
    """Subclass it and give it `positions`."""

    @pytest.fixture
    async def positions(self) -> KeptPositions:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the positions")

    @pytest.fixture
    def name(self) -> str:
        """A name of this test's own."""
        return f"listener {uuid4().hex}"

    @pytest.fixture
    def holder(self) -> HolderId:
        """One process."""
        return HolderId(uuid4())

    @pytest.fixture
    def other(self) -> HolderId:
        """Another process."""
        return HolderId(uuid4())

    async def test_a_new_name_begins_before_everything(
        self, positions: KeptPositions, name: str, holder: HolderId
    ) -> None:
        assert await positions.claim(name, holder, _LONG) == BEFORE_ALL

    async def test_a_position_is_kept_for_the_next_that_claims_it(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _LONG)
        assert await positions.move(name, holder, StoredPosition(1 << 40), _LONG)
        await positions.let_go(name, holder)
        assert await positions.claim(name, other, _LONG) == StoredPosition(1 << 40)

    async def test_each_name_has_a_position_of_its_own(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _LONG)
        await positions.move(name, holder, StoredPosition(7), _LONG)
        assert await positions.claim(f"{name} too", other, _LONG) == BEFORE_ALL

    async def test_while_one_holds_it_another_does_not(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _LONG)
        assert await positions.claim(name, other, _LONG) is None
        assert await positions.claim(name, holder, _LONG) == BEFORE_ALL

    async def test_a_claim_that_is_over_is_anybody_s(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _OVER)
        assert await positions.claim(name, other, _LONG) == BEFORE_ALL
        assert await positions.claim(name, holder, _LONG) is None

    async def test_whoever_lost_the_claim_moves_nothing(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _OVER)
        await positions.claim(name, other, _LONG)
        await positions.move(name, other, StoredPosition(5), _LONG)
        assert not await positions.move(name, holder, StoredPosition(9), _LONG)
        await positions.let_go(name, holder)
        assert await positions.claim(name, holder, _LONG) is None
        assert await positions.claim(name, other, _LONG) == StoredPosition(5)

    async def test_a_move_makes_the_claim_last(
        self, positions: KeptPositions, name: str, holder: HolderId, other: HolderId
    ) -> None:
        await positions.claim(name, holder, _OVER)
        assert await positions.move(name, holder, StoredPosition(1), _LONG)
        assert await positions.claim(name, other, _LONG) is None

    async def test_a_position_never_goes_back(
        self, positions: KeptPositions, name: str, holder: HolderId
    ) -> None:
        await positions.claim(name, holder, _LONG)
        assert await positions.move(name, holder, StoredPosition(5), _LONG)
        assert not await positions.move(name, holder, StoredPosition(4), _LONG)
        assert await positions.claim(name, holder, _LONG) == StoredPosition(5)

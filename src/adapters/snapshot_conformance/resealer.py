"""The contract of Resealer, for any adapter to subclass."""

import pytest

from snapshot_conformance.cipher_harness import (
    AAD,
    OTHER_AAD,
    ResealerHarness,
    assert_tells_nothing,
    text_number,
    the_ciphertext,
)
from snapshot_domain.errors import DependencyError
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import DecryptorItem, OwnKey
from snapshot_domain.secret import RawMessage


class ResealerContract:
    """What every Resealer promises; a subclass overrides the fixture `harness`."""

    @pytest.fixture
    async def harness(self) -> ResealerHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the harness")

    async def test_what_waited_opens_with_the_quarantines_key_alone(
        self, harness: ResealerHarness
    ) -> None:
        waited = await _waiting(harness, 1)
        (answer,) = await harness.resealer.reseal([waited])
        resealed = the_ciphertext(answer)
        assert await harness.open_raw(OwnKey.QUARANTINE, resealed, AAD) == text_number(1)
        with pytest.raises(Exception):  # noqa: B017, PT011 - what is raised is the harness's affair
            await harness.open_raw(OwnKey.WAITING, resealed, AAD)

    async def test_it_stays_bound_to_where_it_came_from(self, harness: ResealerHarness) -> None:
        waited = await _waiting(harness, 1)
        (answer,) = await harness.resealer.reseal([waited])
        with pytest.raises(Exception):  # noqa: B017, PT011 - see above
            await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), OTHER_AAD)

    async def test_the_answers_stand_in_the_order_of_the_items(
        self, harness: ResealerHarness
    ) -> None:
        items = [await _waiting(harness, number) for number in range(5)]
        answers = await harness.resealer.reseal(items)
        opened = [
            await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), AAD)
            for answer in answers
        ]
        assert opened == [text_number(number) for number in range(5)]

    async def test_one_that_is_no_ciphertext_costs_no_other_its_place(
        self, harness: ResealerHarness
    ) -> None:
        odd = DecryptorItem(OwnKey.WAITING, Ciphertext("si1q:odd"), AAD)
        first, second, third = await harness.resealer.reseal(
            [await _waiting(harness, 1), odd, await _waiting(harness, 3)]
        )
        assert isinstance(second, DependencyError)
        assert_tells_nothing(second)
        for answer, number in ((first, 1), (third, 3)):
            opened = await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), AAD)
            assert opened == text_number(number)

    async def test_nothing_to_reseal_is_answered_with_nothing(
        self, harness: ResealerHarness
    ) -> None:
        assert list(await harness.resealer.reseal([])) == []


async def _waiting(harness: ResealerHarness, number: int) -> DecryptorItem:
    body = RawMessage(text_number(number))
    return DecryptorItem(OwnKey.WAITING, await harness.seal_raw(OwnKey.WAITING, body, AAD), AAD)
